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


@pytest.mark.usefixtures("media_engine")
async def test_others_get_their_turn_while_speech_that_is_all_there_is_handed_over() -> None:
    """livekit's own work for each frame would else be done for all of them before the first one is played."""
    track = OwnersTrack(rtc.Room(), lambda: True)
    track.subscribed.set_result(None)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others(), name="others")
    try:
        for frames in range(1, 6):
            await track.capture_frame(FRAME)
            assert turns >= frames
    finally:
        running.cancel()
        await asyncio.wait([running])
        await track.aclose()
