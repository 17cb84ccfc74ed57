"""Eager STT: recognises an utterance as soon as a pause begins, before the pause is long enough to end the turn, and
what was said so far while it is still being said.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, LanguageCode, utils
from livekit.agents.stt import STT, SpeechData, SpeechEvent, SpeechEventType
from livekit.agents.vad import VAD, VADEvent, VADEventType, VADStream

from voice_agent.conversation.livekit_private import AdapterStream, StreamAdapter

PAUSE: Final = 0.15
"""Seconds of silence. No recognition is started, and thrown away, for a shorter pause."""
MORE_SPEECH: Final = 1.0
"""Seconds of speech between two captions."""
_SHARE: Final = 5.0
"""A caption waits for this many times as long as the last one took: what is recognised again each time gets longer."""
_CAPTION_OPTIONS: Final = APIConnectOptions(max_retry=0, timeout=4.0)
_NO_WORDS: Final = "…"
"""Final text of speech that had captions and in which no words were found: a caption must end, and this is no turn."""


class EagerStt(StreamAdapter):
    """Adapter for an STT without a price: what is recognised once may be recognised again with the rest.

    `captions` recognises beside `recogniser`, at a lower priority.
    """

    def __init__(self, *, recogniser: STT[Any], vad: VAD, captions: STT[Any]) -> None:
        super().__init__(stt=recogniser, vad=vad)
        self.captions = captions

    def stream_class(self) -> type[_EagerStream]:
        return _EagerStream

    async def aclose(self) -> None:
        await super().aclose()
        await self.captions.aclose()


class _EagerStream(AdapterStream):
    _guess: asyncio.Task[SpeechEvent] | None = None
    """Recognition of what was said up to this pause."""
    _caption: asyncio.Task[None] | None = None
    """Recognition of what is still being said."""
    _captioned = 0.0
    """Seconds of this utterance that were given to the last caption."""
    _caption_took = 0.0
    _shown = ""
    """The last caption of this utterance."""

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
            await self._stop_caption()
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
                self._captioned, self._caption_took, self._shown = 0.0, 0.0, ""
                self.send(SpeechEvent(SpeechEventType.START_OF_SPEECH))
            elif event.type is VADEventType.END_OF_SPEECH:
                await self._end(event)
            elif event.speaking:
                said += event.frames
                if not event.raw_accumulated_silence:
                    await self._withdraw()
                    self._caption_more(said)
                elif event.raw_accumulated_silence >= PAUSE and self._guess is None:
                    await self._stop_caption()  # the same words, and sooner
                    self._guess = self._recognise(said)

    async def _end(self, event: VADEvent) -> None:
        ended = time.time() - event.silence_duration - event.inference_duration
        self.send(SpeechEvent(SpeechEventType.END_OF_SPEECH, speech_end_time=ended))
        await self._stop_caption()
        self._guess = self._guess or self._recognise(event.frames)
        heard = await self._guess
        self._guess = None
        best = heard.alternatives[:1] if _text(heard) else []
        if not best:  # said, too: whoever waits for words need not wait any longer
            best = [SpeechData(LanguageCode(""), _NO_WORDS if self._shown else "")]
        self.send(SpeechEvent(SpeechEventType.FINAL_TRANSCRIPT, alternatives=best, speech_end_time=ended))

    def _recognise(self, frames: list[rtc.AudioFrame]) -> asyncio.Task[SpeechEvent]:
        return asyncio.create_task(self._recognised(frames), name="stt:recognise")

    async def _recognised(self, frames: list[rtc.AudioFrame]) -> SpeechEvent:
        heard = await self.recognised(frames)
        self._show(heard)  # known before the end of the turn
        return heard

    async def _withdraw(self) -> None:
        """Cancel the guess, because the speech goes on."""
        guess, self._guess = self._guess, None
        if guess is not None:
            guess.cancel()
            await asyncio.gather(guess, return_exceptions=True)

    def _caption_more(self, said: list[rtc.AudioFrame]) -> None:
        seconds = sum(frame.duration for frame in said)
        if seconds - self._captioned < max(MORE_SPEECH, _SHARE * self._caption_took):
            return
        if self._caption is None or self._caption.done():
            self._captioned = seconds
            self._caption = asyncio.create_task(self._recognise_so_far(list(said)), name="stt:caption")

    async def _recognise_so_far(self, said: list[rtc.AudioFrame]) -> None:
        adapter = self.adapter
        assert isinstance(adapter, EagerStt)
        began = time.monotonic()
        try:
            heard = await adapter.captions.recognize(buffer=utils.merge_frames(said), conn_options=_CAPTION_OPTIONS)
        except APIError:
            return  # optional: the final text follows
        finally:
            self._caption_took = time.monotonic() - began
        self._show(heard)

    def _show(self, heard: SpeechEvent) -> None:
        if text := _text(heard):
            self._shown = text
            self.send(SpeechEvent(SpeechEventType.INTERIM_TRANSCRIPT, alternatives=heard.alternatives[:1]))

    async def _stop_caption(self) -> None:
        caption, self._caption = self._caption, None
        if caption is not None:
            caption.cancel()
            await asyncio.gather(caption, return_exceptions=True)


def _text(heard: SpeechEvent) -> str:
    return heard.alternatives[0].text if heard.alternatives else ""
