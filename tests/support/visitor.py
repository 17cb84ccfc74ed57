"""Visitor: a caller with its own browser key, who notes when an answer begins and which facts it used."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import httpx
from livekit import rtc

from tests.support.caller import Caller

RECALL_TOPIC: Final = "va.recall"
"""Agent → client: JSON with the facts that an answer used."""
ANSWERED_WITHIN: Final = 90.0
LET_IN_WITHIN: Final = 120.0
LEARNED_EVERY: Final = 0.5


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    """Empty if there was no answer in time."""
    first_piece_s: float | None
    facts: tuple[str, ...] | None
    """None if the agent did not report any."""


@dataclass(frozen=True, slots=True)
class PersonKey:
    person_id: str
    key: str
    """Empty for the owner of this machine."""


class Visitor(Caller):
    """Client of one stay in a room."""

    def __init__(self, room: rtc.Room, session: dict[str, Any], http: httpx.AsyncClient) -> None:
        super().__init__(room, session, http)
        self.recalled: list[tuple[str, ...]] = []
        self._first_piece: float | None = None
        self._being_read = 0
        room.register_text_stream_handler(RECALL_TOPIC, self._on_recall)

    async def welcome(self) -> None:
        """Waits for a ready agent and its greeting. Not every assistant greets."""
        await self.answered()
        with contextlib.suppress(AssertionError):
            await self.until(lambda: bool(self.seen.captions) and not self._being_read, "a greeting", within=20)

    async def answer_to(self, text: str, within: float = ANSWERED_WITHIN) -> Answer:
        captions, recalled = len(self.seen.captions), len(self.recalled)
        self._first_piece, began = None, time.monotonic()
        await self.type(text)
        with contextlib.suppress(AssertionError):
            await self.more_captions(captions, f"an answer to {text!r}", within)
        first = None if self._first_piece is None else round(self._first_piece - began, 3)
        facts = [fact for some in self.recalled[recalled:] for fact in some]
        told = tuple(facts) if len(self.recalled) > recalled else None
        return Answer(" ".join(self.seen.captions[captions:]).strip(), first, told)

    async def more_captions(self, than: int, what: str, within: float = ANSWERED_WITHIN) -> None:
        """Waits for more whole captions than that; in a shared room also those of answers to others."""
        await self.until(lambda: len(self.seen.captions) > than and not self._being_read, what, within)

    def _on_caption(self, reader: rtc.TextStreamReader, identity: str) -> None:
        if identity == self.room.local_participant.identity:
            super()._on_caption(reader, identity)
            return

        async def piece_by_piece() -> None:
            self._being_read += 1
            try:
                pieces = []
                async for piece in reader:
                    self._first_piece = self._first_piece or time.monotonic()
                    pieces.append(piece)
                self.seen.captions.append("".join(pieces))
            finally:
                self._being_read -= 1
                self._changed.set()

        self._begin(piece_by_piece())

    def _on_recall(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self._read(reader, identity, self._note_recall)

    def _note_recall(self, text: str) -> None:
        self.recalled.append(tuple(fact["text"] for fact in json.loads(text)["facts"]))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="visitor:read")
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)


class VisitorApi:
    """HTTP API by which visitors join. Requests are repeated while the system starts."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._sessions: list[dict[str, Any]] = []

    async def new_person(self) -> PersonKey:
        found = await self._asked("POST", "/people")
        return PersonKey(found["person_id"], found["key"])

    async def agents(self) -> list[dict[str, Any]]:
        return list((await self._asked("GET", "/agents"))["agents"])

    async def save_assistant(self, name: str, letta_agent_id: str) -> dict[str, Any]:
        return dict(await self._asked("POST", "/agents", json={"name": name, "letta_agent_id": letta_agent_id}))

    async def come_in(self, agent_id: str, who: PersonKey) -> Visitor:
        session = await self._asked("POST", "/session", json={"agent_id": agent_id, "browser_key": who.key or None})
        self._sessions.append(session)
        return await self._join(session)

    async def come_back(self, visitor: Visitor, who: PersonKey) -> Visitor:
        known = {name: visitor.session[name] for name in ("session_id", "resume_secret")}
        return await self._join(await self._asked("POST", "/session", json=known | {"browser_key": who.key}))

    async def memory(self, agent_id: str, who: PersonKey) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {who.key}"}
        path = f"/people/{who.person_id}/memory"
        return dict(await self._asked("GET", path, params={"agent_id": agent_id}, headers=headers))

    async def learned(self, agent_id: str, who: PersonKey, within: float) -> dict[str, Any]:
        """Waits at most `within` seconds until no turn is pending; returns seconds, pending and parked turns, facts."""
        began = time.monotonic()
        while True:
            known = await self.memory(agent_id, who)
            waited = time.monotonic() - began
            if known["pending"] == 0 or waited > within:
                facts = [fact["text"] for fact in known["facts"]]
                found = {"pending": known["pending"], "parked": known["parked"], "facts": facts}
                return {"seconds": round(waited, 2)} | found
            await asyncio.sleep(LEARNED_EVERY)

    async def end_sessions(self) -> None:
        """Otherwise their agents would wait in empty rooms and occupy seats of the worker."""
        while self._sessions:
            session = self._sessions.pop()
            headers = {"Authorization": f"Bearer {session['resume_secret']}"}
            with contextlib.suppress(httpx.HTTPError):
                await self._http.delete(f"/session/{session['session_id']}", headers=headers)

    async def _join(self, session: dict[str, Any]) -> Visitor:
        visitor = Visitor(rtc.Room(), session, self._http)
        await visitor.room.connect(session["server_url"], session["participant_token"])
        try:
            await visitor.open_microphone()
            await visitor.welcome()
        except BaseException:
            await visitor.hang_up()
            raise
        return visitor

    async def _asked(self, method: str, path: str, **request: Any) -> Any:
        deadline = time.monotonic() + LET_IN_WITHIN
        while True:
            late = time.monotonic() > deadline
            try:
                answer = await self._http.request(method, path, **request)
                if late or answer.status_code not in (429, 502, 503):
                    break
            except httpx.TransportError:
                if late:
                    raise
            await asyncio.sleep(1.0)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()


@contextlib.asynccontextmanager
async def visitor_api(url: str) -> AsyncIterator[VisitorApi]:
    async with httpx.AsyncClient(base_url=url, timeout=60.0, trust_env=False) as http:
        found = VisitorApi(http)
        try:
            yield found
        finally:
            await found.end_sessions()
