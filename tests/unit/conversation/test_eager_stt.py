"""Eager STT: captions while somebody speaks, the final text at the pause; voice detection and models are scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from livekit import rtc
from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectionError, APIConnectOptions, LanguageCode
from livekit.agents.stt import STT, RecognizeStream, SpeechData, SpeechEvent, SpeechEventType, STTCapabilities
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from livekit.agents.utils import AudioBuffer
from livekit.agents.vad import VAD, VADCapabilities, VADEvent, VADEventType, VADStream

from tests.support.eventually import PATIENCE
from voice_agent.conversation.eager_stt import MORE_SPEECH, PAUSE, EagerStt

RATE = 16_000
TICK = 0.125


def sound(seconds: float) -> rtc.AudioFrame:
    samples = int(seconds * RATE)
    return rtc.AudioFrame(bytes(2 * samples), RATE, 1, samples)


class ScriptedVad(VAD):
    def __init__(self) -> None:
        super().__init__(capabilities=VADCapabilities(update_interval=TICK))
        self.events: asyncio.Queue[VADEvent] = asyncio.Queue()

    def stream(self) -> VADStream:
        return _ScriptedVadStream(self)

    def tell(self, kind: VADEventType, *, silence: float = 0.0, frames: float = TICK) -> None:
        speaking = kind is VADEventType.INFERENCE_DONE
        self.events.put_nowait(
            VADEvent(kind, 0, 0.0, 0.0, silence, [sound(frames)], speaking=speaking, raw_accumulated_silence=silence)
        )

    def speech(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK)):
            self.tell(VADEventType.INFERENCE_DONE)


class _ScriptedVadStream(VADStream):
    async def _main_task(self) -> None:
        assert isinstance(self._vad, ScriptedVad)
        while True:
            self._event_ch.send_nowait(await self._vad.events.get())


class ScriptedStt(STT[Any]):
    """Answers with the seconds that it was given; `held` keeps it from answering."""

    def __init__(self, *, words: str = "words") -> None:
        super().__init__(capabilities=STTCapabilities(streaming=False, interim_results=False))
        self.words = words
        self.asked: list[float] = []
        self.was_asked = asyncio.Event()
        self.cancelled = 0
        self.fails = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> SpeechEvent:
        assert isinstance(buffer, rtc.AudioFrame)
        self.asked.append(buffer.duration)
        self.was_asked.set()
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails:
            raise APIConnectionError(retryable=False)
        text = f"{self.words} of {buffer.duration:g} s" if self.words else ""
        return SpeechEvent(SpeechEventType.FINAL_TRANSCRIPT, alternatives=[SpeechData(LanguageCode("en"), text)])


class World:
    def __init__(self) -> None:
        self.vad, self.recogniser, self.captions = ScriptedVad(), ScriptedStt(), ScriptedStt(words="caption")
        self.stt = EagerStt(recogniser=self.recogniser, vad=self.vad, captions=self.captions)
        self.stream: RecognizeStream = self.stt.stream()

    async def until(self, kind: SpeechEventType) -> SpeechEvent:
        async with asyncio.timeout(PATIENCE):
            async for event in self.stream:
                if event.type is kind:
                    return event
        raise AssertionError(f"the stream ended before {kind}")

    async def text(self, kind: SpeechEventType) -> str:
        return (await self.until(kind)).alternatives[0].text


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    made = World()
    try:
        yield made
    finally:
        await made.stream.aclose()
        await made.stt.aclose()


async def test_what_is_still_being_said_is_captioned_about_every_second() -> None:
    async with world() as w:
        w.vad.tell(VADEventType.START_OF_SPEECH)
        w.vad.speech(MORE_SPEECH - TICK)
        assert await w.text(SpeechEventType.INTERIM_TRANSCRIPT) == "caption of 1 s"
        w.vad.speech(MORE_SPEECH)
        assert await w.text(SpeechEventType.INTERIM_TRANSCRIPT) == "caption of 2 s"
        assert w.recogniser.asked == []


async def test_one_caption_at_a_time_and_none_of_too_little() -> None:
    async with world() as w:
        w.captions.may_answer.clear()
        w.vad.tell(VADEventType.START_OF_SPEECH)
        w.vad.speech(3 * MORE_SPEECH)
        w.vad.tell(VADEventType.END_OF_SPEECH, frames=3.1)
        assert await w.text(SpeechEventType.FINAL_TRANSCRIPT) == "words of 3.1 s"
        assert w.captions.asked == [1.0]
        w.vad.tell(VADEventType.START_OF_SPEECH)
        w.vad.speech(MORE_SPEECH / 2)
        w.vad.tell(VADEventType.END_OF_SPEECH, frames=0.6)
        assert await w.text(SpeechEventType.FINAL_TRANSCRIPT) == "words of 0.6 s"
        assert w.captions.asked == [1.0]


async def test_a_caption_gives_way_at_the_pause() -> None:
    async with world() as w:
        w.captions.may_answer.clear()
        w.vad.tell(VADEventType.START_OF_SPEECH)
        w.vad.speech(MORE_SPEECH - TICK)
        w.vad.tell(VADEventType.INFERENCE_DONE, silence=PAUSE)
        w.vad.tell(VADEventType.END_OF_SPEECH, silence=0.4, frames=1.5)
        assert await w.text(SpeechEventType.FINAL_TRANSCRIPT) == "words of 1.125 s", "recognised at the pause"
        assert w.captions.cancelled == 1


async def test_what_was_found_at_a_pause_that_was_none_is_a_caption() -> None:
    async with world() as w:
        w.vad.tell(VADEventType.START_OF_SPEECH)
        w.vad.speech(MORE_SPEECH / 2 - TICK)
        w.vad.tell(VADEventType.INFERENCE_DONE, silence=PAUSE)
        await until_asked(w.recogniser)
        w.vad.speech(TICK)
        assert await w.text(SpeechEventType.INTERIM_TRANSCRIPT) == "words of 0.625 s"


async def test_a_caption_that_fails_costs_nothing_else() -> None:
    async with world() as w:
        w.captions.fails = True
        w.vad.tell(VADEventType.START_OF_SPEECH)
        w.vad.speech(MORE_SPEECH - TICK)
        await until_asked(w.captions)
        w.vad.tell(VADEventType.END_OF_SPEECH, frames=1.1)
        assert await w.text(SpeechEventType.FINAL_TRANSCRIPT) == "words of 1.1 s"


async def test_a_caption_ends_even_if_no_words_are_found() -> None:
    async with world() as w:
        w.recogniser.words = ""
        w.vad.tell(VADEventType.START_OF_SPEECH)
        w.vad.speech(MORE_SPEECH - TICK)
        await w.until(SpeechEventType.INTERIM_TRANSCRIPT)
        w.vad.tell(VADEventType.END_OF_SPEECH, frames=1.1)
        text = await w.text(SpeechEventType.FINAL_TRANSCRIPT)
        assert not any(character.isalnum() for character in text), "no turn"


async def until_asked(recogniser: ScriptedStt) -> None:
    async with asyncio.timeout(PATIENCE):
        await recogniser.was_asked.wait()
    await asyncio.sleep(0)  # its answer needs nothing but its turn
