"""The agent's audio track before anybody has subscribed to it."""

from __future__ import annotations

import asyncio

import pytest
from livekit import rtc

from voice_agent.conversation.voice_track import OwnersTrack

FRAME = rtc.AudioFrame(bytes(960), 24_000, 1, 480)


@pytest.mark.usefixtures("media_engine")
async def test_speech_that_is_interrupted_before_anybody_has_subscribed_does_not_end_all_later_speech() -> None:
    track = OwnersTrack(rtc.Room(), lambda: True)
    try:
        greeting = asyncio.create_task(track.capture_frame(FRAME), name="greeting")
        await asyncio.sleep(0)
        greeting.cancel()
        await asyncio.wait([greeting])
        assert greeting.cancelled()
        assert not track.subscribed.done(), "a subscription is still waited for"
    finally:
        await track.aclose()
