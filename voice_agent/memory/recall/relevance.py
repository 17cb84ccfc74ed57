"""Relevance: how surely what was told in one turn answers a question. Pure.

Similarity of meaning decides most, but cannot tell "my uncle's name" from "my nephew's name". So it also counts whether
both are about the same person or animal, and whether there is an answer of the kind that is asked for. The weights are
those of a logistic regression over two pools of development wording, for the default embedding model
(docs/adr/0011-facts-and-recall.md); at 0, "it was told" and "it was not" are equally likely there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from voice_agent.memory.recall.question import Question, entities, holds

POSSIBLE: Final = -1.5
LIKELY: Final = 0.0
_BIAS: Final = -7.2
_NEAREST, _STATEMENT, _FACT = 5.4, 4.7, 4.2
_SAME_ENTITY, _OTHER_ENTITY, _ENTITY_NOT_ASKED = 0.85, -3.0, -0.65
_HOLDS: Final = 0.75
_NO_NAME: Final = -3.0


class Relevance(IntEnum):
    NONE = 0
    POSSIBLE = 1
    LIKELY = 2


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one turn: all that was told in it, and its similarities with the question."""

    text: str
    nearest: float
    """Of its statement, a clause of it, or a fact, whichever is nearest."""
    statement: float
    fact: float


def grade(score: float) -> Relevance:
    return Relevance.LIKELY if score >= LIKELY else Relevance.POSSIBLE if score >= POSSIBLE else Relevance.NONE


def relevance(question: Question, told: Evidence) -> float:
    score = _BIAS + _NEAREST * told.nearest + _STATEMENT * told.statement + _FACT * told.fact
    spoken_of = entities(told.text)
    if question.entities:
        score += _SAME_ENTITY if question.entities & spoken_of else _OTHER_ENTITY
    elif spoken_of:
        score += _ENTITY_NOT_ASKED
    if question.asks == "name" and not holds(told.text, "name"):
        score += _NO_NAME
    return score + _HOLDS * holds(told.text, question.asks)
