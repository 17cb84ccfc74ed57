"""Client of every system that is measured: joins a room, speaks and listens all the time, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from livekit import rtc

from tests.bench.peers.hearing import (
    FRAME,
    RATE,
    Heard,
    Samples,
    between,
    both_sides,
    first_sound,
    last_sound,
    spoke_over,
)

PAUSE: Final = 2.0
"""Seconds of silence after which an answer is over."""
PATIENCE: Final = 30.0
_AHEAD: Final = 100
"""Milliseconds of sound that the microphone holds."""
_SILENCE: Final = np.zeros(FRAME, np.float32)


@dataclass(frozen=True, slots=True)
class Ticket:
    url: str
    token: str


@dataclass(frozen=True, slots=True)
class Answer:
    seconds: float | None
    """From the last sound of the question; None: there was none."""
    over: bool
    """The assistant was audible before the question had ended."""
    sound: Samples


class Guest:
    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=_AHEAD)
        self._to_say: asyncio.Queue[tuple[Samples, asyncio.Future[float]]] = asyncio.Queue()
        self._owned: set[asyncio.Task[None]] = set()
        self._more = asyncio.Event()
        self._began = time.monotonic()
        self.said: list[Heard] = []
        self.heard: list[Heard] = []
        room.on("track_subscribed", self._subscribed)

    @classmethod
    @asynccontextmanager
    async def at(cls, ticket: Ticket, room: rtc.Room | None = None) -> AsyncIterator[Guest]:
        guest = cls(room or rtc.Room())
        try:
            await guest._room.connect(ticket.url, ticket.token)
            await guest._open_microphone()
            yield guest
        finally:
            await guest._leave()

    async def first_sound(self, after: float) -> float | None:
        try:
            async with asyncio.timeout(PATIENCE):
                while (found := first_sound(self.heard, after)) is None:
                    self._more.clear()
                    await self._more.wait()
                return found
        except TimeoutError:
            return None

    async def quiet(self) -> float:
        """Waits until the assistant has been silent for PAUSE seconds; returns when that silence began."""
        since = last_sound(self.heard) or time.monotonic()
        while (left := since + PAUSE - time.monotonic()) > 0:
            await asyncio.sleep(left)
            since = last_sound(self.heard) or since
        return since

    async def ask(self, question: Samples) -> Answer:
        """Asks, and listens to the end of the answer."""
        began = time.monotonic()
        done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._to_say.put_nowait((question, done))
        ended = await done
        first = await self.first_sound(ended)
        if first is None:
            return Answer(None, False, np.zeros(0, np.float32))
        over = await self.quiet()
        return Answer(first - ended, spoke_over(self.heard, began, ended), between(self.heard, ended, over + PAUSE))

    def recording(self) -> Samples:
        """Two columns: this guest, the assistant."""
        return both_sides(self.said, self.heard, self._began)

    # --- microphone and loudspeaker ---

    async def _open_microphone(self) -> None:
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self._room.local_participant.publish_track(track, options)
        self._own(self._speak(), "guest:microphone")

    async def _speak(self) -> None:
        while True:
            if self._to_say.empty():
                await self._capture(_SILENCE)
                continue
            sound, done = self._to_say.get_nowait()
            for start in range(0, len(sound), FRAME):
                piece = sound[start : start + FRAME]
                await self._capture(np.pad(piece, (0, FRAME - len(piece))))
            done.set_result(time.monotonic() + self._source.queued_duration)

    async def _capture(self, samples: Samples) -> None:
        pcm = (samples * 32767).astype(np.int16).tobytes()
        await self._source.capture_frame(rtc.AudioFrame(pcm, RATE, 1, len(samples)))
        self.said.append(Heard(time.monotonic() + self._source.queued_duration, samples))

    def _subscribed(self, track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._own(self._listen(track), "guest:listen")

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream.from_track(track=track, sample_rate=RATE, num_channels=1, frame_size_ms=20)
        try:
            async for event in stream:
                samples = np.frombuffer(event.frame.data, np.int16).astype(np.float32) / 32768.0
                self.heard.append(Heard(time.monotonic(), samples))
                self._more.set()
        finally:
            await stream.aclose()

    def _own(self, work: Coroutine[None, None, None], name: str) -> None:
        self._owned.add(asyncio.get_running_loop().create_task(work, name=name))

    async def _leave(self) -> None:
        for task in self._owned:
            task.cancel()
        ended = await asyncio.gather(*self._owned, return_exceptions=True)
        await self._room.disconnect()
        await self._source.aclose()
        for one in ended:
            if isinstance(one, Exception):
                raise one
