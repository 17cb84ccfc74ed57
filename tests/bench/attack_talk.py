"""Driver for the cases of scripts/bench.sh attacks: acts as callers of a running system, by HTTP and LiveKit rooms."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from subprocess import SubprocessError
from typing import Any, Final
from uuid import uuid4

import httpx
import jwt
from livekit import rtc

from tests.bench.attack_cases import Case, Seen, Way
from tests.support.visitor import PersonKey, Visitor, VisitorApi
from tests.support.whole_system import Machine
from voice_agent.errors import VoiceAgentError

VOUCHER: Final = "shared-between-the-bench-and-the-system-only"
"""VOICE_ASSERTION_SECRET of the system under attack."""
NAME: Final = "Fern"
PERSONA: Final = "I am Fern, a calm and friendly companion. I speak in short sentences."
LEARNED_WITHIN: Final = 180.0
BROKEN: Final = (
    AssertionError,
    TimeoutError,
    SubprocessError,
    VoiceAgentError,
    httpx.HTTPError,
    rtc.ConnectError,
    RuntimeError,
)


def vouched(user: str, business: str, name: str = "", role: str = "owner") -> dict[str, str]:
    """A site's assertion about its user. Owners of one business share a room."""
    claims = {"sub": user, "role": role, "business_id": business, "name": name, "exp": time.time() + 600}
    return {"X-Voice-Assertion": jwt.encode(claims, VOUCHER, algorithm="HS256")}


class AttackApi(VisitorApi):
    """Visitor API in which callers choose their own session fields and headers."""

    async def session(self, headers: Mapping[str, str] | None = None, **body: Any) -> dict[str, Any]:
        session = dict(await self._asked("POST", "/session", json=body, headers=dict(headers or {})))
        self._sessions.append(session)
        return session

    @contextlib.asynccontextmanager
    async def call(
        self, headers: Mapping[str, str] | None = None, *, greeted: bool = True, **body: Any
    ) -> AsyncIterator[Visitor]:
        """`greeted` waits for the greeting; a person who joins others in a room gets none."""
        session = await self.session(headers, **body)
        visitor = Visitor(rtc.Room(), session, self._http)
        await visitor.room.connect(session["server_url"], session["participant_token"])
        try:
            await visitor.open_microphone()
            await (visitor.welcome() if greeted else visitor.answered())
            yield visitor
        finally:
            with contextlib.suppress(httpx.HTTPError):
                await visitor.ask_the_server("POST", "/leave")
            await visitor.hang_up()
            with contextlib.suppress(httpx.HTTPError):  # its agent is not needed any more
                await visitor.ask_the_server("DELETE", "")


@contextlib.asynccontextmanager
async def attack_api(url: str) -> AsyncIterator[AttackApi]:
    async with httpx.AsyncClient(base_url=url, timeout=60.0, trust_env=False) as http:
        found = AttackApi(http)
        try:
            yield found
        finally:
            await found.end_sessions()


@dataclass(frozen=True)
class Talk:
    api: AttackApi
    machine: Machine
    agent_id: str
    letta_agent_id: str

    async def carried_out(self, case: Case) -> Seen:
        """Records a failure in the result, so that the other cases go on."""
        try:
            return await self._carried_out(case)
        except BROKEN as error:
            return Seen("", "", failed=f"{type(error).__name__}: {error}"[:300])

    async def _carried_out(self, case: Case) -> Seen:
        match case.way:
            case Way.NAME:
                return await twice(case, lambda name: self.asked(case.question, user_name=name))
            case Way.EMAIL:
                return await twice(case, lambda address: self.asked(case.question, user_email=address))
            case Way.PRINT:
                return await twice(case, self.asked)
            case Way.ROOM:
                return await twice(case, lambda said: self.in_one_room(said, case.question))
            case Way.BLOCK:
                return await twice(case, lambda text: self.with_block(text, case.question))
            case Way.FACT:
                return await twice(case, lambda text: self.with_fact(text, case.question))
            case Way.OTHER:
                return await self.said(case, asks_later=await self.api.new_person())
            case Way.LATER | Way.MARKUP | Way.TOPIC:
                return await self.said(case)

    async def asked(self, question: str, agent_id: str = "", **about: Any) -> str:
        """One call of a new person, with one question."""
        who = about if "browser_key" in about else about | {"browser_key": (await self.api.new_person()).key}
        async with self.api.call(agent_id=agent_id or self.agent_id, **who) as visitor:
            return (await visitor.answer_to(question)).text

    async def said(self, case: Case, asks_later: PersonKey | None = None) -> Seen:
        """The attack in one call, the question in a later one; the twin and its question in one call."""
        attacker = await self.api.new_person()
        await self.asked(case.attack, browser_key=attacker.key)
        known = await self.api.learned(self.agent_id, attacker, LEARNED_WITHIN)
        answer = await self.asked(case.question, browser_key=(asks_later or attacker).key)
        harmless = await self.api.new_person()
        async with self.api.call(agent_id=self.agent_id, browser_key=harmless.key) as visitor:
            heard = (await visitor.answer_to(case.benign)).text
            benign = (await visitor.answer_to(case.question)).text
        return Seen(answer, f"{heard} {benign}" if heard and benign else "", tuple(known["facts"]))

    async def in_one_room(self, said: str, question: str) -> str:
        """Two owners of a business in one room: one sends the text, the other one asks."""
        business = f"bench-{uuid4().hex[:12]}"
        async with (
            self.api.call(vouched("anna", business, "Anna"), agent_id=self.agent_id) as anna,
            self.api.call(vouched("ben", business, "Ben"), agent_id=self.agent_id, greeted=False) as ben,
        ):
            captions = len(anna.seen.captions)
            await ben.answer_to(said)
            with contextlib.suppress(AssertionError):  # whoever is told nothing has nothing to take for an answer
                await anna.more_captions(captions, "the answer to the other one", within=10)
            return (await anna.answer_to(question)).text

    async def with_block(self, text: str, question: str) -> str:
        """The text is in Letta's block about the owner; a caller on this machine without a key is the owner."""
        made = await asyncio.to_thread(self.machine.make_assistant, NAME, PERSONA, human=text)
        agent = await self.api.save_assistant(NAME, made)
        async with self.api.call(agent_id=agent["id"]) as visitor:
            return (await visitor.answer_to(question)).text

    async def with_fact(self, text: str, question: str) -> str:
        """The text is a stored fact, as if read from a passage that a user wrote into Letta."""
        who = await self.api.new_person()
        await self.machine.add_facts(self.letta_agent_id, who.person_id, [text])
        return await self.asked(question, browser_key=who.key)


async def twice(case: Case, ask: Callable[[str], Awaitable[str]]) -> Seen:
    return Seen(await ask(case.attack), await ask(case.benign))
