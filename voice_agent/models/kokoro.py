"""Kokoro: TTS model with natural voices, run by onnxruntime and a phonemiser. No HTTP here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from kokoro_onnx.chunker import split_phonemes
from kokoro_onnx.tokenizer import Tokenizer
from kokoro_onnx.trim import trim
from numpy.typing import NDArray

from voice_agent.models import kokoro_graph as graph
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
QUIET: Final = -6.0
"""Threshold on the planned loudness, which follows the logarithm of the sound's: some 55 dB below speech."""
AROUND: Final = 2
"""Frames (25 ms) kept before the first sound and after the last one."""


class Kokoro:
    def __init__(self, files: Mapping[str, Path], threads: int) -> None:
        self._plan, self._sound = (open_session(half, threads) for half in graph.halves(files["model"]))
        self._tokenizer = Tokenizer()
        self._voices: dict[str, NDArray[np.float32]] = {
            name: np.fromfile(path, np.float32).reshape(-1, 1, 256) for name, path in files.items() if name != "model"
        }

    def clause(self, text: str, voice: str, speed: float, cancellation: Cancellation) -> Iterator[Samples]:
        styles = self._voices[voice]
        phonemes = " ".join(self._tokenizer.phonemize(text, LANGUAGES[voice[0]]).split())
        for batch in split_phonemes(phonemes):
            if tokens := self._tokenizer.tokenize(batch):
                style = styles[min(len(tokens), len(styles)) - 1]
                yield self._infer(tokens, style, speed, cancellation)

    def _infer(
        self, tokens: list[int], style: NDArray[np.float32], speed: float, cancellation: Cancellation
    ) -> Samples:
        text = {"tokens": np.array([[0, *tokens, 0]], np.int64), "style": style, "speed": np.array([speed], np.float32)}
        sounds, pitch, loudness = run(self._plan, text, cancellation)
        frames = spoken(loudness[0])
        halves = slice(2 * frames.start, 2 * frames.stop)
        plan = {
            graph.SOUNDS: sounds[:, :, frames],
            graph.PITCH: pitch[:, halves],
            graph.LOUDNESS: loudness[:, halves],
            "style": style,
        }
        audio = np.asarray(run(self._sound, plan, cancellation)[0], np.float32).ravel()
        trimmed: Samples = trim(audio)[0]
        return trimmed


def spoken(loudness: NDArray[np.float32]) -> slice:
    """The frames from the first to the last sound; `loudness` has two values per frame.

    Silence takes as long to synthesise as speech, and would be trimmed afterwards.
    """
    heard = np.flatnonzero(loudness > QUIET) // 2
    if not len(heard):
        return slice(0, len(loudness) // 2)
    return slice(max(0, int(heard[0]) - AROUND), int(heard[-1]) + 1 + AROUND)
