"""The assistant's audio track: there before any human, silent without the lease, held and continued without a loss."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
from livekit import rtc

from voice_agent.conversation.echo import Loudness
from voice_agent.conversation.livekit_private import ParticipantAudioOutput

SAMPLE_RATE: Final = 24_000
_QUEUE: Final = 200
"""Milliseconds of audio that are given away before they are heard."""
_REMEMBERED: Final = 1.0
_LEVELS: Final = 20
"""Frames of a twentieth of a second."""


def decibels(frame: rtc.AudioFrame) -> float:
    samples = np.frombuffer(frame.data, np.int16).astype(np.float32) / 32768.0
    return float(10 * np.log10(np.mean(samples**2) + 1e-10))


class PausableSource(rtc.AudioSource):
    """Audio source that can be held at once; what was queued and not heard is played first when it goes on."""

    def __init__(self, sample_rate: int = SAMPLE_RATE) -> None:
        super().__init__(sample_rate, 1, queue_size_ms=_QUEUE)
        self._recent: deque[rtc.AudioFrame] = deque()
        self._levels: deque[float] = deque(maxlen=_LEVELS)
        self._unheard: deque[rtc.AudioFrame] = deque()
        self._going = asyncio.Event()
        self._going.set()
        self._drops = 0
        self.said = Loudness()

    @property
    def level(self) -> float:
        """dBFS of the loudest of what was played in the last second."""
        return max(self._levels, default=-100.0)

    @property
    def unheard(self) -> float:
        """Seconds of audio that were taken back."""
        return sum(frame.duration for frame in self._unheard)

    def hold(self) -> None:
        if not self._going.is_set():
            return
        self._going.clear()
        self._unheard.extendleft(reversed(_last(self._recent, self.queued_duration)))
        self.clear_queue()
        self.said.take_back(time.monotonic())

    def go_on(self) -> None:
        self._going.set()

    def drop(self) -> float:
        """Forget what was taken back. Returns its seconds."""
        dropped = self.unheard
        self._unheard.clear()
        self._recent.clear()
        self._drops += 1
        return dropped

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        drops = self._drops
        await self._repeat()
        if drops == self._drops:
            await self._push(frame)

    async def wait_for_playout(self) -> None:
        while True:
            await self._repeat()
            await super().wait_for_playout()
            if self._going.is_set() and not self._unheard:
                return

    async def _repeat(self) -> None:
        await self._going.wait()
        while self._unheard:
            await self._push(self._unheard.popleft())
            await self._going.wait()

    async def _push(self, frame: rtc.AudioFrame) -> None:
        self._recent.append(frame)
        level = decibels(frame)
        self._levels.append(level)
        self.said.add(time.monotonic() + self.queued_duration, level)
        while sum(one.duration for one in self._recent) > _REMEMBERED:
            self._recent.popleft()
        await super().capture_frame(frame)
        if not self._going.is_set():  # held meanwhile: this frame was taken back, too
            self.clear_queue()


def _last(frames: deque[rtc.AudioFrame], seconds: float) -> list[rtc.AudioFrame]:
    found: list[rtc.AudioFrame] = []
    for frame in reversed(frames):
        samples = min(frame.samples_per_channel, round(seconds * frame.sample_rate))
        if samples <= 0:
            break
        data = bytes(memoryview(frame.data).cast("B"))[-2 * samples :]
        found.append(rtc.AudioFrame(data, frame.sample_rate, 1, samples))
        seconds -= samples / frame.sample_rate
    return found[::-1]


class OwnersTrack(ParticipantAudioOutput):
    """Audio track that is silent without the lease: a paused or replaced job must not speak when it wakes."""

    def __init__(self, room: rtc.Room, may_speak: Callable[[], bool]) -> None:
        super().__init__(
            room,
            sample_rate=SAMPLE_RATE,
            num_channels=1,
            track_publish_options=rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE),
            track_name="assistant",
        )
        self._may_speak = may_speak
        self._audio_source = self._source = PausableSource()

    @property
    def audible(self) -> bool:
        """Speech has begun and not ended; it may be held."""
        return self._first_frame_event.is_set()

    @property
    def level(self) -> float:
        return self._source.level

    @property
    def said(self) -> Loudness:
        return self._source.said

    @property
    def remaining(self) -> float | None:
        """Seconds of speech that are left; None: it is not known yet."""
        if self._flush_task is None or self._flush_task.done():
            return None
        return (
            self._pushed_duration - self._source_pushed_duration + self._source.queued_duration + self._source.unheard
        )

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        # Shielded: speech that is interrupted before anybody has subscribed would cancel the future itself, and
        # livekit would play nothing for as long as the job lasts, neither audio nor captions.
        await asyncio.shield(self.subscribed)
        if self._may_speak():
            await super().capture_frame(frame)
            # livekit measures the pace of speech for its captions, in a twentieth of the time that it lasts. What comes
            # all at once would be measured whole before its first frame is played.
            await asyncio.sleep(0)

    def pause(self) -> None:
        super().pause()
        self._source.hold()

    def resume(self) -> None:
        self._source.go_on()
        super().resume()

    def clear_buffer(self) -> None:
        self._source_discarded_duration += self._source.drop()
        super().clear_buffer()
