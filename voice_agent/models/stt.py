"""Moonshine: English STT model, run by onnxruntime. No HTTP here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from voice_agent.languages import ENGLISH, LANGUAGES
from voice_agent.models.audio import RECOGNITION_RATE, Samples
from voice_agent.models.catalog import WHISPER
from voice_agent.models.onnx import Cancellation, open_session, run

LAYERS: Final = 8
HEADS: Final = 8
HEAD_SIZE: Final = 52
START: Final = 1
END: Final = 2
TOKENS_PER_SECOND: Final = 6.5
"""Faster than people speak: beyond it the model repeats itself."""
SHORTEST: Final = int(0.1 * RECOGNITION_RATE)
SEGMENT: Final = 20 * RECOGNITION_RATE
"""The model was trained on clips; longer speech is cut at its quietest point near this length."""
SEARCH: Final = 6 * RECOGNITION_RATE
SILENCE: Final = 0.001
"""No sample above this (-60 dB): no speech, and the model would invent some."""
FAINT: Final = 0.02
"""Of the loudest sound: fainter samples count as silence between words."""
GAP: Final = int(0.15 * RECOGNITION_RATE)
"""Silence kept next to a sound when a segment is transcribed a second time."""


@dataclass(frozen=True, slots=True)
class Heard:
    text: str
    """Empty for a segment without speech."""
    language: str


class Recogniser(Protocol):
    def transcribe(self, samples: Samples, language: str, cancellation: Cancellation) -> Iterator[Heard]:
        """The text of each segment as soon as it is known. `language` may be empty: it is to be recognised."""


def open_recogniser(name: str, files: Mapping[str, Path], threads: int) -> Recogniser:
    if name != WHISPER.name:
        return Moonshine(files, threads)
    # Imported here: it takes memory that English does not need.
    from voice_agent.models.whisper import Whisper

    return Whisper(files, threads, tuple(LANGUAGES))


class Moonshine:
    def __init__(self, files: Mapping[str, Path], threads: int) -> None:
        self._encoder = open_session(files["encoder"], threads)
        self._decoder = open_session(files["decoder"], threads)
        self._tokenizer = Tokenizer.from_file(str(files["tokenizer"]))

    def transcribe(self, samples: Samples, language: str, cancellation: Cancellation) -> Iterator[Heard]:
        for segment in segments(samples):
            text = self._segment(segment, cancellation) or self._once_more(segment, cancellation)
            yield Heard(text, ENGLISH.code)

    def _once_more(self, samples: Samples, cancellation: Cancellation) -> str:
        """A second attempt without long silences: between them the model misses words or a whole sentence."""
        dense = without_long_silences(samples)
        return self._segment(dense, cancellation) if len(dense) < len(samples) else ""

    def _segment(self, samples: Samples, cancellation: Cancellation) -> str:
        if len(samples) < SHORTEST or float(np.abs(samples).max()) < SILENCE:
            return ""
        encoded = run(self._encoder, {"input_values": samples[np.newaxis, :]}, cancellation)[0]
        limit = max(8, int(len(samples) / RECOGNITION_RATE * TOKENS_PER_SECOND))
        tokens = list(self._decode(encoded, limit, cancellation))
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)).strip()

    def _decode(self, encoded: NDArray[np.float32], limit: int, cancellation: Cancellation) -> Iterator[int]:
        past = _empty_past()
        token = START
        for step in range(limit):
            inputs: dict[str, Any] = {
                "input_ids": np.array([[token]], np.int64),
                "encoder_hidden_states": encoded,
                "use_cache_branch": np.array([step > 0]),
                **past,
            }
            logits, *present = run(self._decoder, inputs, cancellation)
            token = int(logits[0, -1].argmax())
            if token == END:
                return
            yield token
            # After the first step the encoder's part of the cache is final; later outputs for it are unusable.
            for key, value in zip(past, present, strict=True):
                if step == 0 or ".decoder." in key:
                    past[key] = value


def _empty_past() -> dict[str, NDArray[np.float32]]:
    empty = np.zeros((0, HEADS, 1, HEAD_SIZE), np.float32)
    return {
        f"past_key_values.{layer}.{part}.{kind}": empty
        for layer in range(LAYERS)
        for part in ("decoder", "encoder")
        for kind in ("key", "value")
    }


def without_long_silences(samples: Samples) -> Samples:
    """The samples within GAP of a sound."""
    frame = RECOGNITION_RATE // 100
    whole = len(samples) // frame * frame
    frames = samples[:whole].reshape(-1, frame)
    if not len(frames):
        return samples
    peaks = np.abs(frames).max(axis=1)
    reach = GAP // frame
    near = np.convolve(peaks > FAINT * peaks.max(), np.ones(2 * reach + 1))[reach : reach + len(frames)] > 0
    return np.concatenate([frames[near].reshape(-1), samples[whole:]])


def segments(samples: Samples) -> Iterator[Samples]:
    """Long speech, cut at its quietest points so that no word is split."""
    window = RECOGNITION_RATE // 10
    while len(samples) > SEGMENT + SEARCH:
        search = samples[SEGMENT - SEARCH : SEGMENT + SEARCH]
        energy = np.square(search[: len(search) // window * window]).reshape(-1, window).sum(axis=1)
        cut = SEGMENT - SEARCH + int(energy.argmin()) * window + window // 2
        yield samples[:cut]
        samples = samples[cut:]
    yield samples
