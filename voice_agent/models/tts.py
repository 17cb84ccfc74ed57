"""Text to speech, one clause at a time, with any of the TTS models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from voice_agent.models.audio import Samples
from voice_agent.models.catalog import KOKORO, PIPER
from voice_agent.models.onnx import Cancellation
from voice_agent.models.segmentation import clauses
from voice_agent.providers.sound import SYNTHESIS_RATE

PAUSES: Final[Mapping[str, float]] = {".": 0.25, "!": 0.25, "?": 0.25, "…": 0.25, ",": 0.1, ";": 0.15, ":": 0.15}
SILENCE_FOR_NOTHING: Final = 0.2
"""Seconds of silence for a text with nothing to say (an emoji): a caller that waits for audio receives some."""


class Engine(Protocol):
    def clause(self, text: str, voice: str, speed: float, cancellation: Cancellation) -> Iterator[Samples]:
        """24 kHz speech; empty if the text has no sound."""


def open_engine(name: str, files: Mapping[str, Path], threads: int) -> Engine:
    # Imported here: the phonemiser is an optional dependency with its own licence.
    if name == KOKORO.name:
        from voice_agent.models.kokoro import Kokoro

        return Kokoro(files, threads)
    if name == PIPER.name:
        from voice_agent.models.piper import Piper

        return Piper(files, threads)
    raise ValueError(name)


def speak(engine: Engine, text: str, voice: str, speed: float, cancellation: Cancellation) -> Iterator[Samples]:
    """Pieces of speech, each as soon as it is synthesised."""
    said = False
    for clause in clauses(text):
        for piece in engine.clause(clause, voice, speed, cancellation):
            said = True
            yield piece
        if pause := PAUSES.get(clause[-1], 0.0):
            yield _silence(pause / speed)
    if not said:
        yield _silence(SILENCE_FOR_NOTHING)


def _silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * SYNTHESIS_RATE), np.float32)
