"""`serve` inside the test process, on its real port, with an HTTP client and real people in its rooms."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import uvicorn
from livekit import rtc

from tests.support.eventually import PATIENCE
from voice_agent.addresses import bind_error
from voice_agent.rooms.livekit import LiveKit, Participant
from voice_agent.settings import Settings
from voice_agent.web.app import create_app

_T = TypeVar("_T")


class Clock:
    """Wall clock that a test can move."""

    def __init__(self) -> None:
        self.moved_by = 0.0

    def __call__(self) -> float:
        return time.time() + self.moved_by


@dataclass
class ControlPlane:
    settings: Settings
    http: httpx.AsyncClient
    livekit: LiveKit
    clock: Clock

    async def open_session(self, **body: Any) -> dict[str, Any]:
        answer = await self.http.post("/session", json={"agent_id": "agent-1", **body})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def agents(self, room: str) -> list[Participant]:
        return [p for p in await self.livekit.participants(room) if p.is_agent]

    async def ready_agent(self, room: str, within: float = PATIENCE) -> Participant:
        async def one() -> Participant | None:
            ready = [p for p in await self.agents(room) if p.ready]
            return ready[0] if len(ready) == 1 else None

        return await eventually(one, within, f"a ready agent in {room}")


async def eventually(look: Callable[[], Awaitable[_T | None]], within: float, what: str) -> _T:
    deadline = time.monotonic() + within
    while (found := await look()) is None:
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        await asyncio.sleep(0.05)
    return found


@contextmanager
def serving(settings: Settings, clock: Callable[[], float] = time.time) -> Iterator[str]:
    """Runs serve in a thread with its own loop, as in its own process: unfinished work there ends with it."""
    config = uvicorn.Config(
        create_app(settings, lambda _error: None, clock),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        lifespan="on",
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), name="serve")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "serve did not start"
            time.sleep(0.02)
        yield settings.page_url
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def serving_apart(settings: Settings) -> Iterator[str]:
    """Runs serve in its own process: with many rooms in the test process a thread would get no CPU time."""
    environment = dict(os.environ) | settings.as_environment()
    with (settings.home / "serve.log").open("wb") as log:
        serve = subprocess.Popen(
            [sys.executable, "-m", "voice_agent.cli", "serve"],
            env=environment,
            cwd=settings.home,
            stdout=log,
            stderr=log,
        )
    try:
        while bind_error("127.0.0.1", settings.port) is None:
            assert serve.poll() is None, (settings.home / "serve.log").read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{settings.port}"
    finally:
        serve.terminate()
        serve.wait()


@asynccontextmanager
async def control_plane(settings: Settings, *, apart: bool = False) -> AsyncIterator[ControlPlane]:
    livekit, clock = LiveKit(settings), Clock()
    try:
        with serving_apart(settings) if apart else serving(settings, clock) as base:
            async with httpx.AsyncClient(base_url=base, timeout=PATIENCE, trust_env=False) as client:
                yield ControlPlane(settings, client, livekit, clock)
    finally:
        await livekit.close()


@asynccontextmanager
async def visitor(session: dict[str, Any]) -> AsyncIterator[rtc.Room]:
    """A person with a real LiveKit client and a microphone: without a track LiveKit announces them up to 3 s later."""
    room = rtc.Room()
    microphone = rtc.AudioSource(48_000, 1)
    await room.connect(session["server_url"], session["participant_token"])
    try:
        track = rtc.LocalAudioTrack.create_audio_track("microphone", microphone)
        await room.local_participant.publish_track(
            track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        )
        yield room
    finally:
        await room.disconnect()
        await microphone.aclose()
