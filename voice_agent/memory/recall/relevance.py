"""Whether a fact answers a question: similarity of meaning, and what must be the same whatever the similarity. Pure.

Similarity alone cannot tell "my uncle's name" from "my nephew's name". So a fact is out when the question is about a
person or an animal that the fact does not speak of, when it has no answer of the kind that is asked for, or when what
belongs to the person in the question has no counterpart in it. The numbers are from `docs/measured.md` (recall).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from voice_agent.memory.recall.question import Question, entities, holds
from voice_agent.memory.text import content_words, stem

SAME_ENTITY: Final = 0.27
"""What it counts that both speak of the same person or animal, in units of cosine similarity."""
POSSIBLE: Final = 0.29
LIKELY: Final = 0.40
COUNTERPART: Final = 0.42
"""Similarity of two words that may stand for each other."""

Alike = Callable[[str, str], float]
"""Similarity of two words."""


class Relevance(IntEnum):
    NONE = 0
    POSSIBLE = 1
    LIKELY = 2


def relevance(question: Question, fact: str, similarity: float, alike: Alike) -> Relevance:
    spoken_of = entities(fact)
    if question.entities and not question.entities & spoken_of:
        return Relevance.NONE
    if not holds(fact, question.asks) or not _has_counterparts(question.own, fact, alike):
        return Relevance.NONE
    score = similarity + (SAME_ENTITY if question.entities else 0.0)
    return Relevance.LIKELY if score >= LIKELY else Relevance.POSSIBLE if score >= POSSIBLE else Relevance.NONE


def _has_counterparts(own: tuple[str, ...], fact: str, alike: Alike) -> bool:
    present = content_words(fact)
    stems = {stem(word) for word in present}
    return all(stem(word) in stems or any(alike(word, other) >= COUNTERPART for other in present) for word in own)
