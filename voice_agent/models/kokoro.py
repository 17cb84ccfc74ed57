"""Kokoro: natural voices. Knows onnxruntime and the phonemiser, knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from kokoro_onnx.chunker import split_phonemes
from kokoro_onnx.tokenizer import Tokenizer
from kokoro_onnx.trim import trim
from numpy.typing import NDArray

from voice_agent.models.audio import Samples
from voice_agent.models.onnx import Cancellation, open_session, run

LANGUAGES: Final[Mapping[str, str]] = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr-fr",
    "i": "it",
    "p": "pt-br",
}


class Kokoro:
    def __init__(self, files: Mapping[str, Path], threads: int) -> None:
        self._session = open_session(files["model"], threads)
        self._tokenizer = Tokenizer()
        self._voices: dict[str, NDArray[np.float32]] = {
            name: np.fromfile(path, np.float32).reshape(-1, 1, 256) for name, path in files.items() if name != "model"
        }

    def clause(self, text: str, voice: str, speed: float, cancellation: Cancellation) -> Iterator[Samples]:
        style = self._voices[voice]
        phonemes = " ".join(self._tokenizer.phonemize(text, LANGUAGES[voice[0]]).split())
        for batch in split_phonemes(phonemes):
            tokens = self._tokenizer.tokenize(batch)
            if tokens:
                yield self._infer(tokens, style, speed, cancellation)

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
