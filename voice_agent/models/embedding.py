"""Sentence embeddings by onnxruntime: a text as a vector of length one. No HTTP here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from voice_agent.models.catalog import EmbeddingShape
from voice_agent.models.onnx import Cancellation, open_session, run

THREADS: Final = 1
"""One text takes a few milliseconds: a second thread would cost the other roles more than it saves."""

Vectors = NDArray[np.float32]


class EmbeddingModel:
    def __init__(self, files: Mapping[str, Path], shape: EmbeddingShape) -> None:
        self._shape = shape
        self._session = open_session(files["model"], THREADS)
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_file(str(files["tokenizer"]))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(shape.longest)

    def embed(self, texts: Sequence[str], query: bool, cancellation: Cancellation) -> Iterator[tuple[Vectors, int]]:
        """The vector of each text and its number of tokens.

        One text per run: its vector does not depend on the rest of the batch, nothing is padded, and a caller that
        leaves is noticed after one text.
        """
        prefix = self._shape.query_prefix if query else ""
        for text in texts:
            encoded = self._tokenizer.encode(prefix + text)
            ids = np.array([encoded.ids], np.int64)
            offered = {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "token_type_ids": np.zeros_like(ids),
            }
            given = {name: value for name, value in offered.items() if name in self._inputs}
            hidden: Vectors = run(self._session, given, cancellation)[0]
            yield normalised(pooled(hidden[0], self._shape)), len(encoded.ids)


def pooled(hidden: Vectors, shape: EmbeddingShape) -> Vectors:
    """The vector of a text from the vectors of its tokens."""
    vector: Vectors = hidden[0] if shape.pooling == "cls" else hidden.mean(axis=0, dtype=np.float32)
    return vector


def normalised(vector: Vectors) -> Vectors:
    length = float(np.linalg.norm(vector))
    return (vector / max(length, 1e-12)).astype(np.float32)
