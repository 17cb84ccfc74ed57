"""Kokoro: text to speech, one clause at a time. Knows onnxruntime and the phonemiser, knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from kokoro_onnx.chunker import split_phonemes
from kokoro_onnx.tokenizer import Tokenizer
from kokoro_onnx.trim import trim
from numpy.typing import NDArray

from voice_agent.models.audio import SYNTHESIS_RATE, Samples
from voice_agent.models.onnx import Cancellation, open_session, run
from voice_agent.models.speakable import clauses

LANGUAGES: Final[Mapping[str, str]] = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr-fr",
    "i": "it",
    "p": "pt-br",
}
PAUSES: Final[Mapping[str, float]] = {".": 0.25, "!": 0.25, "?": 0.25, "…": 0.25, ",": 0.1, ";": 0.15, ":": 0.15}
SILENCE_FOR_NOTHING: Final = 0.2
"""Seconds of silence for a text with nothing to say (an emoji): a caller that waits for audio gets some."""


class Kokoro:
    def __init__(self, files: Mapping[str, Path], threads: int) -> None:
        self._session = open_session(files["model"], threads)
        self._tokenizer = Tokenizer()
        self._voices: dict[str, NDArray[np.float32]] = {
            name: np.fromfile(path, np.float32).reshape(-1, 1, 256) for name, path in files.items() if name != "model"
        }

    def speak(self, text: str, voice: str, speed: float, cancellation: Cancellation) -> Iterator[Samples]:
        """Pieces of 24 kHz speech, each as soon as it exists."""
        style = self._voices[voice]
        said = False
        for clause in clauses(text):
            phonemes = " ".join(self._tokenizer.phonemize(clause, LANGUAGES[voice[0]]).split())
            for batch in split_phonemes(phonemes):
                tokens = self._tokenizer.tokenize(batch)
                if tokens:
                    said = True
                    yield self._infer(tokens, style, speed, cancellation)
            pause = PAUSES.get(clause[-1], 0.0)
            if pause:
                yield _silence(pause / speed)
        if not said:
            yield _silence(SILENCE_FOR_NOTHING)

    def _infer(
        self, tokens: list[int], style: NDArray[np.float32], speed: float, cancellation: Cancellation
    ) -> Samples:
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style[min(len(tokens), len(style)) - 1],
            "speed": np.array([speed], np.float32),
        }
        audio = np.asarray(run(self._session, inputs, cancellation)[0], np.float32).ravel()
        trimmed: Samples = trim(audio)[0]
        return trimmed


def _silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * SYNTHESIS_RATE), np.float32)
