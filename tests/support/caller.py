"""Person in a room, as a real rtc client: joins by the HTTP API, types, reads captions, leaves, comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import numpy as np
from livekit import api, rtc
from numpy.typing import NDArray

from tests.support.eventually import PATIENCE
from tests.support.stack import Stack
from voice_agent.contracts import AgentAttribute, Notice, Topic

MICROPHONE_RATE = 48_000


@dataclass
class Seen:
    """Actions of the agent in order, as one person in the room saw them."""

    captions: list[str] = field(default_factory=list)
    heard_of_me: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    """Streams that were opened and not completed, by topic and sender."""
    connection: list[str] = field(default_factory=list)
    """Events of the connection itself."""


class Caller:
    """Client of one stay in a room."""

    def __init__(self, room: rtc.Room, session: dict[str, Any], http: httpx.AsyncClient) -> None:
        self.room = room
        self.session = session
        self.seen = Seen()
        self._http = http
        self._changed = asyncio.Event()
        self._reading: set[asyncio.Task[None]] = set()
        self._microphone = rtc.AudioSource(MICROPHONE_RATE, 1)
        self._published: rtc.LocalTrackPublication | None = None
        room.register_text_stream_handler(Topic.TRANSCRIPTION, self._on_caption)
        room.register_text_stream_handler(Topic.NOTICE, self._on_notice)
        for event in ("participant_attributes_changed", "participant_connected", "participant_disconnected"):
            room.on(event, lambda *_: self._changed.set())
        room.on("reconnecting", lambda: self.seen.connection.append("reconnecting"))
        room.on("reconnected", lambda: self.seen.connection.append("reconnected"))
        room.on("disconnected", lambda *_: self.seen.connection.append("disconnected"))

    # --- state of the room ---

    @property
    def agents(self) -> list[rtc.RemoteParticipant]:
        kind = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        return [one for one in self.room.remote_participants.values() if one.kind == kind]

    def attribute(self, key: AgentAttribute) -> str:
        return self.agents[0].attributes.get(key, "") if self.agents else ""

    @property
    def episode(self) -> int:
        return int(self.attribute(AgentAttribute.EPISODE) or 0)

    async def until(self, good: Callable[[], bool], what: str, within: float = PATIENCE) -> None:
        try:
            async with asyncio.timeout(within):
                while not good():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            attributes = self.agents[0].attributes if self.agents else "no agent"
            raise AssertionError(f"not within {within:g} s: {what}; {self.seen}; {attributes}") from None

    async def answered(self) -> None:
        """Waits for a ready and engaged agent."""
        await self.until(
            lambda: self.attribute(AgentAttribute.READY) == "1" and self.attribute(AgentAttribute.STATE) == "engaged",
            "a ready agent",
        )

    async def greeting(self) -> str:
        await self.until(lambda: bool(self.seen.captions), "a greeting")
        return self.seen.captions[0]

    # --- actions of the person ---

    async def type(self, text: str) -> None:
        await self.room.local_participant.send_text(text, topic=Topic.CHAT)

    async def ask(self, text: str) -> str:
        """Types `text` and waits for the next complete caption. Wait for the end of the greeting first: an interrupted
        greeting has a caption, too. A repeated greeting is skipped: it comes if an earlier person was being greeted."""
        already = len(self.seen.captions)
        greeting = self.seen.captions[:1]
        await self.type(text)

        def answers() -> list[str]:
            return [caption for caption in self.seen.captions[already:] if caption not in greeting]

        await self.until(lambda: bool(answers()), f"an answer to {text!r}")
        return answers()[-1]

    async def say(self, samples: NDArray[np.float32]) -> None:
        """Speaks mono floats at MICROPHONE_RATE in real time."""
        frame = MICROPHONE_RATE // 20
        for start in range(0, len(samples) - frame + 1, frame):
            pcm = (samples[start : start + frame] * 32767).astype(np.int16).tobytes()
            await self._microphone.capture_frame(rtc.AudioFrame(pcm, MICROPHONE_RATE, 1, frame))

    async def said_all(self) -> None:
        """Waits until all audio given to the microphone has been sent."""
        await self._microphone.wait_for_playout()

    async def open_microphone(self) -> None:
        """LiveKit announces a participant without a track seconds late; real users publish a microphone."""
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._microphone)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        self._published = await self.room.local_participant.publish_track(track, options)

    async def close_microphone(self) -> None:
        """Ten open microphones take a core even in silence."""
        if self._published is not None:
            await self.room.local_participant.unpublish_track(self._published.sid)
            self._published = None

    @contextlib.asynccontextmanager
    async def ears(self) -> AsyncIterator[Callable[[], NDArray[np.float32]]]:
        """Records the agent's audio meanwhile: mono floats at MICROPHONE_RATE."""
        track = next(iter(self.agents[0].track_publications.values())).track
        assert track is not None
        stream = rtc.AudioStream.from_track(track=track, sample_rate=MICROPHONE_RATE, num_channels=1)
        frames: list[NDArray[np.int16]] = []

        async def listen() -> None:
            async for event in stream:
                frame = np.frombuffer(event.frame.data, np.int16)
                frames.append(frame.copy())

        listening = asyncio.create_task(listen(), name="caller:ears")
        try:
            yield lambda: np.concatenate([np.zeros(0, np.int16), *frames]).astype(np.float32) / 32768.0
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            await stream.aclose()

    async def leave(self) -> dict[str, Any]:
        """As the page does: the server removes the person and waits for the agent's reset."""
        answer = await self.ask_the_server("POST", "/leave")
        answer.raise_for_status()
        await self.hang_up()
        return dict(answer.json())

    async def ask_the_server(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Request about this session, with its secret; without one it is allowed as a request of this machine."""
        secret = self.session["resume_secret"]
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        return await self._http.request(method, f"/session/{self.session['session_id']}{path}", headers=headers, **more)

    async def hang_up(self) -> None:
        await self.room.disconnect()
        await self._microphone.aclose()
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    # --- received streams ---

    def _on_caption(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self._read(reader, identity, lambda text: self._caption(reader, identity, text))

    def _on_notice(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self._read(reader, identity, lambda text: self._notice(identity, text))

    def _notice(self, identity: str, text: str) -> None:
        if not self._is_another(identity):
            self.seen.notices.append(Notice.model_validate_json(text))

    def _is_another(self, identity: str) -> bool:
        """Whether the sender is another person and not the agent."""
        sender = self.room.remote_participants.get(identity)
        return sender is not None and sender not in self.agents

    def _caption(self, reader: rtc.TextStreamReader, identity: str, text: str) -> None:
        if identity == self.room.local_participant.identity:
            if (reader.info.attributes or {}).get("lk.transcription_final") == "true":
                self.seen.heard_of_me.append(text)
        elif not self._is_another(identity):
            self.seen.captions.append(text)

    def _read(self, reader: rtc.TextStreamReader, identity: str, take: Callable[[str], None]) -> None:
        stream = f"{reader.info.topic} from {identity}"

        async def whole() -> None:
            self.seen.unfinished.append(stream)
            take(await reader.read_all())
            self.seen.unfinished.remove(stream)
            self._changed.set()

        task = asyncio.get_running_loop().create_task(whole(), name="caller:read")
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)


@contextlib.asynccontextmanager
async def control_api(stack: Stack) -> AsyncIterator[ControlApi]:
    async with httpx.AsyncClient(base_url=stack.url, timeout=PATIENCE) as http:
        control = ControlApi(stack, http)
        try:
            yield control
        finally:
            for caller in control.inside:
                await caller.hang_up()
            # Otherwise their agents would wait for them and occupy seats of the worker.
            for caller in {caller.session["session_id"]: caller for caller in control.inside}.values():
                await caller.ask_the_server("DELETE", "")


class ControlApi:
    """HTTP API by which callers join."""

    def __init__(self, stack: Stack, http: httpx.AsyncClient) -> None:
        self.http = http
        self.inside: list[Caller] = []
        self._stack = stack

    async def session(self, **body: Any) -> dict[str, Any]:
        answer = await self.http.post("/session", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def come_in(self, **body: Any) -> Caller:
        session = await self.session(**body)
        return await self.join(session, session["participant_token"])

    async def come_back(self, caller: Caller) -> Caller:
        known = {key: caller.session[key] for key in ("session_id", "resume_secret")}
        back = await self.come_in(**known)
        assert back.session["resumed"], back.session
        return back

    async def join_as(self, caller: Caller, identity: str, valid_for: float = 3600) -> Caller:
        """Another person in the same room."""
        settings = self._stack.settings
        grants = api.VideoGrants(room_join=True, room=caller.session["room_name"])
        token = api.AccessToken(settings.livekit_api_key, settings.livekit_api_secret)
        token = token.with_identity(identity).with_name(identity).with_grants(grants)
        return await self.join(caller.session, token.with_ttl(timedelta(seconds=valid_for)).to_jwt())

    async def join(self, session: dict[str, Any], token: str) -> Caller:
        caller = Caller(rtc.Room(), session, self.http)
        await caller.room.connect(session["server_url"], token)
        self.inside.append(caller)
        await caller.open_microphone()
        return caller
