"""The suppressor of the setting in a session with a real LiveKit server: it hears each track, and is closed with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
from livekit import api, rtc

from tests.support.eventually import PATIENCE
from tests.support.livekit_server import LiveKitServer
from tests.support.tone import sounding
from voice_agent.contracts import AS_INSTALLED
from voice_agent.conversation import noise_suppression
from voice_agent.conversation.barge_in import AttentiveAgent
from voice_agent.conversation.noise_suppression import WEBRTC, WebRtcSuppressor
from voice_agent.conversation.providers import build_providers, load_vad
from voice_agent.conversation.speech_session import SpeechSession
from voice_agent.settings import Settings

LISTENS_AT = 16_000
ROOM = "noise"


@dataclass
class Seen:
    loud: int = 0
    """Frames with the tone in them."""
    rates: set[int] = field(default_factory=set)
    changed: bool = False
    closed: int = 0
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, what: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not getattr(self, what):
                self.more.clear()
                await self.more.wait()


def watched(seen: Seen) -> type[WebRtcSuppressor]:
    class Watched(WebRtcSuppressor):
        def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
            before = np.frombuffer(frame.data, np.int16).copy()
            after = super()._process(frame)
            seen.rates.add(after.sample_rate)
            seen.loud += int(np.abs(before.astype(int)).max() > LISTENS_AT // 4)
            seen.changed |= not np.array_equal(before, np.frombuffer(after.data, np.int16))
            seen.more.set()
            return after

        def _close(self) -> None:
            super()._close()
            seen.closed += 1
            seen.more.set()

    return Watched


@asynccontextmanager
async def a_room(settings: Settings) -> AsyncIterator[None]:
    address = settings.effective_livekit_url.replace("ws", "http", 1)
    async with api.LiveKitAPI(address, settings.livekit_api_key, settings.livekit_api_secret) as server:
        await server.room.create_room(api.CreateRoomRequest(name=ROOM))
        yield
        await server.room.delete_room(api.DeleteRoomRequest(room=ROOM))


@asynccontextmanager
async def in_room(settings: Settings, identity: str) -> AsyncIterator[rtc.Room]:
    token = api.AccessToken(settings.livekit_api_key, settings.livekit_api_secret).with_identity(identity)
    room = rtc.Room()
    await room.connect(
        settings.effective_livekit_url, token.with_grants(api.VideoGrants(room_join=True, room=ROOM)).to_jwt()
    )
    try:
        yield room
    finally:
        await room.disconnect()


@asynccontextmanager
async def listening(settings: Settings, room: rtc.Room, suppression: str) -> AsyncIterator[SpeechSession]:
    build = partial(build_providers, settings, load_vad())
    session = SpeechSession(room, build, AS_INSTALLED, lambda: True, suppression)
    await session.start(AttentiveAgent(instructions=""))
    session.listen_to("ann")
    try:
        yield session
    finally:
        await session.close()


async def test_a_persons_track_passes_the_suppressor_of_the_setting(
    control_settings: Settings, livekit_server: LiveKitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen()
    monkeypatch.setattr(noise_suppression, "SUPPRESSORS", {WEBRTC: watched(seen)})
    async with (
        a_room(control_settings),
        in_room(control_settings, "agent") as room,
        in_room(control_settings, "ann") as ann,
        listening(control_settings, room, WEBRTC),
        sounding(ann),
    ):
        await seen.until("loud")
        await seen.until("changed")
        assert seen.rates == {LISTENS_AT}
    assert seen.closed == 1
