"""Recognises what was said as soon as a pause begins, while the pause still has to prove that the turn is over."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from livekit import rtc
from livekit.agents import stt, utils
from livekit.agents.stt import SpeechEvent, SpeechEventType
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions, NotGivenOr
from livekit.agents.vad import VADEvent, VADEventType, VADStream

PAUSE: Final = 0.15
"""Seconds of silence. A shorter pause costs no recognition that is thrown away."""


class EagerStt(stt.StreamAdapter):
    """For ears that cost nothing but time: of what is recognised at a pause some is recognised again with the rest."""

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> _EagerStream:
        return _EagerStream(self, vad=self._vad, wrapped_stt=self._stt, language=language, conn_options=conn_options)

    async def aclose(self) -> None:
        await super().aclose()
        await self._stt.aclose()


class _EagerStream(stt.StreamAdapterWrapper):
    _guess: asyncio.Task[SpeechEvent] | None = None
    """What was said up to this pause."""

    async def _run(self) -> None:
        detection = self._vad.stream()
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
        async for sound in self._input_ch:
            if isinstance(sound, rtc.AudioFrame):
                detection.push_frame(sound)
            else:
                detection.flush()
        detection.end_input()

    async def _follow(self, detection: VADStream) -> None:
        said: list[rtc.AudioFrame] = []
        async for event in detection:
            if event.type is VADEventType.START_OF_SPEECH:
                said = list(event.frames)
                self._event_ch.send_nowait(SpeechEvent(SpeechEventType.START_OF_SPEECH))
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
        self._event_ch.send_nowait(SpeechEvent(SpeechEventType.END_OF_SPEECH, speech_end_time=ended))
        self._guess = self._guess or self._recognise(event.frames)
        heard = await self._guess
        self._guess = None
        if heard.alternatives and heard.alternatives[0].text:
            best = heard.alternatives[:1]
            final = SpeechEvent(SpeechEventType.FINAL_TRANSCRIPT, alternatives=best, speech_end_time=ended)
            self._event_ch.send_nowait(final)

    def _recognise(self, frames: list[rtc.AudioFrame]) -> asyncio.Task[SpeechEvent]:
        recognition = self._wrapped_stt.recognize(
            buffer=utils.merge_frames(frames), language=self._language, conn_options=self._wrapped_stt_conn_options
        )
        return asyncio.create_task(recognition, name="stt:recognise")

    async def _withdraw(self) -> None:
        """There was more to come. What became of the guess, nobody needs to know."""
        guess, self._guess = self._guess, None
        if guess is not None:
            guess.cancel()
            await asyncio.gather(guess, return_exceptions=True)
