"""Scripted proposer and embedder for tests: fixed answers without a model; each call is recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from voice_agent.errors import Code, Temporary, VoiceAgentError
from voice_agent.memory.recall.embedder import Vectors
from voice_agent.memory.text import content


class ScriptedProposer:
    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.failing: VoiceAgentError | None = None

    async def propose(self, statement: str, before: str = "") -> list[str]:
        self.asked.append(statement)
        if self.failing is not None:
            raise self.failing
        return self.answers.get(statement, [])


class WordEmbedder:
    """Embedder in which texts that share words are similar."""

    model = "words@1"

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.away = False

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        if self.away:
            raise Temporary(Code.MODEL_UNREACHABLE, "No embeddings now.")
        self.embedded += texts
        return np.stack([self._vector(text) for text in texts])

    @staticmethod
    def _vector(text: str) -> Vectors:
        vector = np.full(256, 0.01, np.float32)
        for word in content(text):
            vector[int(hashlib.sha256(word.encode()).hexdigest(), 16) % 256] += 1.0
        return np.asarray(vector / np.linalg.norm(vector))
