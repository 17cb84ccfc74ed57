"""What a conversation hears: a suppressor, livekit's gain control, voice detection, recognition of each utterance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from livekit import rtc
from livekit.agents.vad import VAD, VADEventType

from voice_agent.languages import ENGLISH
from voice_agent.models.audio import RECOGNITION_RATE, Samples, pcm16
from voice_agent.models.onnx import Cancellation
from voice_agent.models.stt import Moonshine

FRAME: Final = RECOGNITION_RATE // 20
"""As livekit hands it on: 50 ms."""

Sounds = Callable[[Samples], Samples]


@dataclass(frozen=True)
class Utterance:
    start: int
    end: int
    """Samples of what was heard, with livekit's half second before the speech."""
    ended: bool
    """False: voice detection still heard somebody when the sound was over."""


def through(processor: rtc.FrameProcessor[rtc.AudioFrame], sound: Samples) -> Samples:
    """Whole frames; the rest is filled with silence."""
    return np.concatenate([_floats(processor._process(frame)) for frame in frames(sound)])


def with_gain_control(sound: Samples) -> Samples:
    """livekit does this behind the suppressor, whatever that is (`AudioInputOptions.auto_gain_control`)."""
    control = rtc.AudioProcessingModule(auto_gain_control=True)
    heard = []
    for frame in frames(sound):
        control.process_stream(frame)
        heard.append(_floats(frame))
    return np.concatenate(heard)


def frames(sound: Samples) -> Iterator[rtc.AudioFrame]:
    whole = np.concatenate([sound, np.zeros(-len(sound) % FRAME, np.float32)])
    for start in range(0, len(whole), FRAME):
        yield rtc.AudioFrame(pcm16(whole[start : start + FRAME]), RECOGNITION_RATE, 1, FRAME)


def _floats(frame: rtc.AudioFrame) -> Samples:
    return np.frombuffer(frame.data, np.int16).astype(np.float32) / 32768.0


async def utterances(vad: VAD, sound: Samples) -> list[Utterance]:
    stream = vad.stream()
    for frame in frames(sound):
        stream.push_frame(frame)
    stream.end_input()
    found: list[Utterance] = []
    began: int | None = None
    async for event in stream:
        before = sum(frame.samples_per_channel for frame in event.frames)
        if event.type is VADEventType.START_OF_SPEECH:
            began = event.samples_index - before
        elif event.type is VADEventType.END_OF_SPEECH:
            found.append(Utterance(event.samples_index - before, event.samples_index, True))
            began = None
    await stream.aclose()
    return found if began is None else [*found, Utterance(began, len(sound), False)]


def recognised(stt: Moonshine, sound: Samples, said: list[Utterance]) -> str:
    """Of all utterances together."""
    heard = (
        piece.text
        for one in said
        for piece in stt.transcribe(sound[max(0, one.start) : one.end], ENGLISH.code, Cancellation())
    )
    return " ".join(text for text in heard if text)
