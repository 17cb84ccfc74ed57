"""Eager STT: recognises an utterance as soon as a pause begins, before the pause is long enough to end the turn."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from livekit import rtc
from livekit.agents import utils
from livekit.agents.stt import SpeechEvent, SpeechEventType
from livekit.agents.vad import VADEvent, VADEventType, VADStream

from voice_agent.conversation.livekit_private import AdapterStream, StreamAdapter

PAUSE: Final = 0.15
"""Seconds of silence. No recognition is started, and thrown away, for a shorter pause."""


class EagerStt(StreamAdapter):
    """Adapter for an STT without a price: what is recognised at a pause may be recognised again with the rest."""

    def stream_class(self) -> type[_EagerStream]:
        return _EagerStream


class _EagerStream(AdapterStream):
    _guess: asyncio.Task[SpeechEvent] | None = None
    """Recognition of what was said up to this pause."""

    async def run(self) -> None:
        detection = self.vad.stream()
        tasks = [
            asyncio.create_task(self._forward(detection), name="stt:forward"),
            asyncio.create_task(self._follow(detection), name="stt:follow"),
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            await utils.aio.cancel_and_wait(*tasks)
            await self._withdraw()
            await detection.aclose()

    async def _forward(self, detection: VADStream) -> None:
        async for sound in self.sounds():
            if sound is None:
                detection.flush()
            else:
                detection.push_frame(sound)
        detection.end_input()

    async def _follow(self, detection: VADStream) -> None:
        said: list[rtc.AudioFrame] = []
        async for event in detection:
            if event.type is VADEventType.START_OF_SPEECH:
                said = list(event.frames)
                self.send(SpeechEvent(SpeechEventType.START_OF_SPEECH))
            elif event.type is VADEventType.END_OF_SPEECH:
                await self._end(event)
            elif event.speaking:
                said += event.frames
                if not event.raw_accumulated_silence:
                    await self._withdraw()
                elif event.raw_accumulated_silence >= PAUSE and self._guess is None:
                    self._guess = self._recognise(said)

    async def _end(self, event: VADEvent) -> None:
        ended = time.time() - event.silence_duration - event.inference_duration
        self.send(SpeechEvent(SpeechEventType.END_OF_SPEECH, speech_end_time=ended))
        self._guess = self._guess or self._recognise(event.frames)
        heard = await self._guess
        self._guess = None
        if heard.alternatives and heard.alternatives[0].text:
            best = heard.alternatives[:1]
            final = SpeechEvent(SpeechEventType.FINAL_TRANSCRIPT, alternatives=best, speech_end_time=ended)
            self.send(final)

    def _recognise(self, frames: list[rtc.AudioFrame]) -> asyncio.Task[SpeechEvent]:
        return asyncio.create_task(self.recognised(frames), name="stt:recognise")

    async def _withdraw(self) -> None:
        """Cancel the guess, because the speech goes on; its result is ignored."""
        guess, self._guess = self._guess, None
        if guess is not None:
            guess.cancel()
            await asyncio.gather(guess, return_exceptions=True)
