"""Index of short texts, searched by meaning and by words; both rankings are joined. Pure; a cache of the store."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_agent.memory.text import content

Vectors = NDArray[np.float32]

_RRF: Final = 60.0
"""Constant of reciprocal rank fusion; the usual value."""
_K1: Final = 1.2
_B: Final = 0.5
"""Parameters of BM25. Facts are short and of similar length."""
_EVERY: Final = 50
"""Entries of each ranking that are joined."""


@dataclass(frozen=True, slots=True)
class Hit:
    key: str
    score: float
    """Of both rankings together; comparable within one search only."""


class WordingIndex:
    def __init__(self) -> None:
        self._place: dict[str, int] = {}
        self._ids: list[str] = []
        self._vectors: Vectors = np.zeros((0, 0), np.float32)
        self._count = 0
        self._words: dict[str, Counter[str]] = {}
        self._holding: dict[str, set[str]] = defaultdict(set)
        self._length = 0

    def __len__(self) -> int:
        return len(self._words)

    def __contains__(self, key: str) -> bool:
        return key in self._words

    def put(self, key: str, text: str, vector: Vectors | None) -> None:
        """`vector`: normalised; None: the text is found by its words only."""
        self.drop(key)
        counted = Counter(content(text))
        self._words[key] = counted
        self._length += counted.total()
        for word in counted:
            self._holding[word].add(key)
        if vector is not None:
            self._append(key, vector)

    def drop(self, key: str) -> None:
        counted = self._words.pop(key, None)
        if counted is None:
            return
        self._length -= counted.total()
        for word in counted:
            self._holding[word].discard(key)
            if not self._holding[word]:
                del self._holding[word]
        place = self._place.pop(key, None)
        if place is None:
            return
        last = self._count - 1
        if place != last:
            self._vectors[place] = self._vectors[last]
            self._ids[place] = self._ids[last]
            self._place[self._ids[place]] = place
        self._ids.pop()
        self._count = last

    def search(self, question: str, vector: Vectors | None, limit: int) -> list[Hit]:
        similar = self._by_meaning(vector)
        worded = self._by_words(content(question))
        joined: Counter[str] = Counter()
        for ranking in (similar, worded):
            for rank, (key, _) in enumerate(ranking, 1):
                joined[key] += 1 / (_RRF + rank)  # type: ignore[assignment]  # a Counter of weights
        near = dict(similar)
        best = sorted(joined.items(), key=lambda item: (-item[1], -near.get(item[0], 0.0), item[0]))[:limit]
        return [Hit(key, float(score)) for key, score in best]

    def similarity(self, key: str, vector: Vectors | None) -> float:
        """Cosine similarity with the question; 0 where a vector is missing."""
        place = self._place.get(key)
        return float(self._vectors[place] @ vector) if place is not None and vector is not None else 0.0

    def _by_meaning(self, vector: Vectors | None) -> list[tuple[str, float]]:
        if vector is None or not self._count:
            return []
        scores = self._vectors[: self._count] @ vector
        count = min(_EVERY, self._count)
        top = np.argpartition(-scores, count - 1)[:count]
        return [(self._ids[place], float(scores[place])) for place in top[np.argsort(-scores[top], kind="stable")]]

    def _by_words(self, asked: Sequence[str]) -> list[tuple[str, float]]:
        scores: Counter[str] = Counter()
        mean = self._length / max(1, len(self._words))
        for word in dict.fromkeys(asked):
            holding = self._holding.get(word)
            if not holding:
                continue
            weight = self.rarity(word)
            for key in holding:
                counted = self._words[key]
                frequency = counted[word]
                norm = _K1 * (1 - _B + _B * counted.total() / max(mean, 1e-9))
                scores[key] += weight * frequency * (_K1 + 1) / (frequency + norm)  # type: ignore[assignment]
        return scores.most_common(_EVERY)  # type: ignore[return-value]

    def rarity(self, word: str) -> float:
        """Inverse document frequency of a stem."""
        found = len(self._holding.get(word, ()))
        return math.log(1 + (len(self._words) - found + 0.5) / (found + 0.5))

    def _append(self, key: str, vector: Vectors) -> None:
        if self._vectors.shape[1] != vector.shape[0] or self._count == self._vectors.shape[0]:
            grown = np.zeros((max(64, 2 * self._count), vector.shape[0]), np.float32)
            if self._vectors.shape[1] == vector.shape[0]:
                grown[: self._count] = self._vectors[: self._count]
            else:  # of another model: no old vector is comparable
                self._place.clear()
                self._ids.clear()
                self._count = 0
            self._vectors = grown
        self._vectors[self._count] = vector
        self._place[key] = self._count
        self._ids.append(key)
        self._count += 1


_AS_SAID: Final = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (r"\bThe user's\b", "My"),
        (r"\bthe user's\b", "my"),
        (r"\bThe user is\b", "I am"),
        (r"\bthe user is\b", "I am"),
        (r"\b[Tt]he user was\b", "I was"),
        (r"\b[Tt]he user has\b", "I have"),
        (r"\b[Tt]he user does\b", "I do"),
        (r"\b[Tt]he user (\w+[^s\W])ies\b", r"I \1y"),
        (r"\b[Tt]he user (\w+(?:sh|ch|ss|x|o))es\b", r"I \1"),
        (r"\b[Tt]he user (\w{2,}[^s\W])s\b", r"I \1"),
        (r"\b[Tt]he user\b", "I"),
    )
)


def as_said(fact: str) -> str:
    """The fact in the first person, like questions, to which it is closer then (measured; docs/measured.md)."""
    for pattern, said in _AS_SAID:
        fact = pattern.sub(said, fact)
    return fact
