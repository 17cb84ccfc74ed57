"""Whisper: STT model for languages other than English, run by CTranslate2. No HTTP here (ADR 16)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import ctranslate2
import numpy as np
from tokenizers import Tokenizer

from voice_agent.models.audio import RECOGNITION_RATE, Samples
from voice_agent.models.log_mel import log_mel
from voice_agent.models.onnx import Cancellation
from voice_agent.models.stt import SHORTEST, SILENCE, Heard, segments

WHOLE: Final = 30
"""Seconds of a window in the training. The encoder's time grows with the window, not with what was said."""
WINDOW: Final = 10
"""Seconds that shorter speech is padded to. Below it the model repeats itself (docs/measured.md)."""
TAIL: Final = 1.0
"""Seconds of silence after the speech, without which its last word is often missed."""
BEAM: Final = 5
TOKENS_PER_SECOND: Final = 12.0
"""Faster than people speak: beyond it the model has repeated itself."""
NO_SPEECH: Final = 0.6
UNSURE: Final = -1.0
"""Mean log probability of a token. Of both together the model's authors conclude that nothing was said."""


class Whisper:
    def __init__(self, files: Mapping[str, Path], threads: int, languages: tuple[str, ...]) -> None:
        """`languages`: one of these is recognised where none is given."""
        names = {"model": "model.bin", "config": "config.json", "vocabulary": "vocabulary.txt"}
        self._model = ctranslate2.models.Whisper(
            "whisper-base",
            device="cpu",
            compute_type="int8",
            inter_threads=1,
            intra_threads=threads,
            files={names[part]: path.read_bytes() for part, path in files.items() if part in names},
        )
        self._tokenizer = Tokenizer.from_file(str(files["tokenizer"]))
        self._languages = languages

    def transcribe(self, samples: Samples, language: str, cancellation: Cancellation) -> Iterator[Heard]:
        """The text of each segment as soon as it is known. Without a language the first segment decides."""
        for segment in segments(samples):
            heard = self._segment(segment, language, cancellation)
            language = language or heard.language
            yield heard

    def _segment(self, samples: Samples, language: str, cancellation: Cancellation) -> Heard:
        if len(samples) < SHORTEST or float(np.abs(samples).max()) < SILENCE:
            return Heard("", language)
        seconds = len(samples) / RECOGNITION_RATE
        encoded = self._encode(samples, max(WINDOW, seconds + TAIL), cancellation)
        language = language or self._language_of(encoded)
        limit = max(16, int(seconds * TOKENS_PER_SECOND))
        text, whole = self._decode(encoded, language, limit, cancellation)
        if not whole:
            # It ran into the limit: in the window of its training it repeats itself less often.
            text, _ = self._decode(self._encode(samples, WHOLE, cancellation), language, limit, cancellation)
        return Heard(text, language)

    def _encode(self, samples: Samples, seconds: float, cancellation: Cancellation) -> Any:
        cancellation.check()
        length = int(min(seconds, WHOLE) * RECOGNITION_RATE)
        features = log_mel(np.pad(samples[:length], (0, max(0, length - len(samples)))))
        return self._model.encode(ctranslate2.StorageView.from_array(features[np.newaxis]))

    def _language_of(self, encoded: Any) -> str:
        likely = {tag.strip("<|>"): probability for tag, probability in self._model.detect_language(encoded)[0]}
        return max(self._languages, key=lambda language: likely.get(language, 0.0))

    def _decode(self, encoded: Any, language: str, limit: int, cancellation: Cancellation) -> tuple[str, bool]:
        """The text, and whether the model came to an end of it by itself."""
        cancellation.check()
        marks = ("<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>")
        found = self._model.generate(
            encoded,
            [[self._tokenizer.token_to_id(mark) for mark in marks]],
            beam_size=BEAM,
            max_length=len(marks) + limit,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        if found.no_speech_prob > NO_SPEECH and found.scores[0] < UNSURE:
            return "", True
        tokens: list[int] = found.sequences_ids[0]
        return str(self._tokenizer.decode(tokens)).strip(), len(tokens) < limit
