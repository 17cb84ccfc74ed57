"""Barge-in: holds the assistant's voice when somebody begins to speak, and lets it go on if that was no interruption.

livekit pauses and resumes. This module decides when: its VAD reports an onset as `interruptions.Onset` hears it, and
what was recognised while the assistant speaks reaches livekit only if it interrupts (`interruptions.judge`).
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from livekit import rtc
from livekit.agents import Agent, LanguageCode, ModelSettings
from livekit.agents.stt import SpeechData, SpeechEvent, SpeechEventType
from livekit.agents.types import TimedString
from livekit.agents.vad import VAD, VADEvent, VADEventType, VADStream

from voice_agent.conversation.echo import Echo
from voice_agent.conversation.interruptions import SURE, Onset, Verdict, judge, words_of
from voice_agent.conversation.livekit_private import GatedStream
from voice_agent.conversation.voice_track import OwnersTrack, decibels

_NEAR_THE_END: Final = 1.0
"""Seconds. Who says "yes" while the last word of a question is still heard answers it."""
_LONG: Final = 1.0
"""Seconds of speech, for livekit: longer than its own limit."""
_PAUSED: Final = 0.1
"""Seconds of silence. What is recognised then is all that was said."""
_NOTHING: Final = "…"


class BargeIn:
    def __init__(self, track: OwnersTrack, go_on: Callable[[], None]) -> None:
        self._track = track
        self._go_on = go_on
        self._onset = Onset()
        self._echo = Echo()
        self._overlaps = False
        """The current utterance began while the assistant was audible."""
        self._words = False
        """Words of the current utterance were let through."""
        self._says = ""
        self._said_before = ""

    def gated(self, vad: VAD) -> VAD:
        return _GatedVad(vad, self._heard)

    def says(self, text: str, *, anew: bool = False) -> None:
        """What the assistant says: its echo is no interruption."""
        if anew:
            self._said_before, self._says = self._says, ""
        self._says += text

    def forget(self) -> None:
        self._says = self._said_before = ""

    def _heard(self, event: VADEvent) -> VADEvent:
        """The event as livekit is to see it: without an onset it has no duration that interrupts."""
        if event.type is VADEventType.START_OF_SPEECH:
            self._onset.begin()
            self._overlaps, self._words = self._track.audible, False
        elif event.type is VADEventType.END_OF_SPEECH:
            self._onset.end()
        else:
            return self._window(event)
        return event

    def _window(self, event: VADEvent) -> VADEvent:
        held = self._onset.holds
        seconds = sum(frame.duration for frame in event.frames)
        level, own, now = _decibels(event.frames), self._track.level, time.monotonic()
        self._echo.heard.add(now, level)
        sure = event.probability >= SURE and self._track.audible
        echo = sure and self._echo.explains(self._track.said, now)
        self._onset.hears(event.probability, level, own, seconds, words=self._words, echo=echo)
        if not (self._overlaps if event.speaking else self._track.audible):
            return event
        if held and not self._onset.holds:
            self._go_on()
        return replace(event, speech_duration=_LONG if self._onset.holds else 0.0)

    def passed(self, event: SpeechEvent) -> SpeechEvent | None:
        """The event as livekit is to see it, or None."""
        final = event.type is SpeechEventType.FINAL_TRANSCRIPT
        if not final and event.type is not SpeechEventType.INTERIM_TRANSCRIPT:
            return event
        if not (self._overlaps and self._track.audible):
            if final and not (event.alternatives and words_of(event.alternatives[0].text)):
                self._go_on()  # an answer that was to begin waits for what is said
            return event
        verdict = self._verdict(event)
        if verdict is Verdict.INTERRUPTS:
            self._words = True
            return event
        if not final and self._onset.silence < _PAUSED:
            return None  # there is more to come
        self._onset.was_nothing()
        self._go_on()
        return _no_caption() if final and self._words else None

    def _verdict(self, event: SpeechEvent) -> Verdict:
        heard = event.alternatives[0] if event.alternatives else SpeechData(LanguageCode(""), "")
        if self._onset.is_echo:
            return Verdict.ECHO
        left = self._track.remaining
        asked = self._says.rstrip().endswith("?") and left is not None and left <= _NEAR_THE_END
        said = f"{self._said_before} {self._says}"
        return judge(heard.text, self._onset.voice, said, str(heard.language or "en"), answers=asked)


def _no_caption() -> SpeechEvent:
    """Takes a caption back."""
    return SpeechEvent(SpeechEventType.INTERIM_TRANSCRIPT, alternatives=[SpeechData(LanguageCode(""), _NOTHING)])


def _decibels(frames: list[rtc.AudioFrame]) -> float:
    return max((decibels(frame) for frame in frames), default=-100.0)


class _GatedVad(VAD):
    def __init__(self, vad: VAD, heard: Callable[[VADEvent], VADEvent]) -> None:
        super().__init__(capabilities=vad.capabilities)
        self.vad = vad
        self.heard = heard

    @property
    def model(self) -> str:
        return self.vad.model

    @property
    def provider(self) -> str:
        return self.vad.provider

    def stream(self) -> VADStream:
        return GatedStream(self, self.vad.stream(), self.heard)


class AttentiveAgent(Agent):
    """Agent whose session hears through `barge_in`."""

    barge_in: BargeIn | None = None

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncGenerator[SpeechEvent, None]:
        async with aclosing(Agent.default.stt_node(self, audio, model_settings)) as events:
            async for event in events:
                seen = event if self.barge_in is None else self.barge_in.passed(event)
                if seen is not None:
                    yield seen

    async def transcription_node(
        self, text: AsyncIterable[str | TimedString], model_settings: ModelSettings
    ) -> AsyncGenerator[str | TimedString, None]:
        anew = True
        async with aclosing(Agent.default.transcription_node(self, text, model_settings)) as pieces:
            async for piece in pieces:
                if self.barge_in is not None:
                    self.barge_in.says(piece, anew=anew)
                anew = False
                yield piece
