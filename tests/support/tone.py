"""Test tone that a participant of a room sends, and whether another one hears it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import numpy as np
from livekit import rtc

RATE: Final = 48_000
_FRAME: Final = RATE // 50
_LOUD: Final = 500
"""Of 32767: above the noise of a silent track."""


@asynccontextmanager
async def sounding(room: rtc.Room) -> AsyncIterator[None]:
    """Publishes 440 Hz at half the volume as a microphone track."""
    source = rtc.AudioSource(RATE, 1)
    enough = asyncio.Event()
    wave = (16_000 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.int16)

    async def play() -> None:
        start = 0
        while not enough.is_set():
            await source.capture_frame(rtc.AudioFrame(wave[start : start + _FRAME].tobytes(), RATE, 1, _FRAME))
            start = (start + _FRAME) % RATE

    track = rtc.LocalAudioTrack.create_audio_track("tone", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await room.local_participant.publish_track(track, options)
    playing = asyncio.create_task(play(), name="tone")
    try:
        yield
    finally:
        enough.set()
        await playing
        await source.aclose()


def tracks_of(room: rtc.Room) -> asyncio.Queue[rtc.Track]:
    """Queue of the tracks that the room subscribes to. Call before connecting."""
    tracks: asyncio.Queue[rtc.Track] = asyncio.Queue()
    room.on("track_subscribed", lambda track, *_: tracks.put_nowait(track))
    return tracks


async def heard(tracks: asyncio.Queue[rtc.Track], within: float = 60.0) -> bool:
    """Whether the first track becomes loud; raises TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        stream = rtc.AudioStream.from_track(track=await tracks.get(), sample_rate=RATE, num_channels=1)
        try:
            async for event in stream:
                if np.abs(np.frombuffer(event.frame.data, np.int16).astype(int)).max() > _LOUD:
                    return True
        finally:
            await stream.aclose()
    return False
