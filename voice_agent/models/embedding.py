"""Sentence embeddings by onnxruntime: a text as a vector of length one. No HTTP here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from voice_agent.models import mpnet
from voice_agent.models.catalog import EmbeddingShape
from voice_agent.models.onnx import Cancellation, open_session, run

THREADS: Final = 1
"""A question takes some 45 ms: a second thread would cost the other roles more than it saves."""

Vectors = NDArray[np.float32]


class EmbeddingModel:
    def __init__(self, archive: Path, shape: EmbeddingShape) -> None:
        self._session = open_session(mpnet.graph(archive, shape.longest), THREADS)
        self._tokenizer = Tokenizer.from_str(mpnet.tokenizer_json(archive))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(shape.longest)

    def embed(self, texts: Sequence[str], cancellation: Cancellation) -> Iterator[tuple[Vectors, int]]:
        """The vector of each text and its number of tokens.

        One text per run: its vector does not depend on the rest of the batch, nothing is padded, and a caller that
        leaves is noticed after one text.
        """
        for text in texts:
            ids = self._tokenizer.encode(text).ids
            hidden: Vectors = run(self._session, {"input_ids": np.array([ids], np.int64)}, cancellation)[0]
            yield normalised(hidden[0].mean(axis=0, dtype=np.float32)), len(ids)


def normalised(vector: Vectors) -> Vectors:
    length = float(np.linalg.norm(vector))
    return (vector / max(length, 1e-12)).astype(np.float32)
