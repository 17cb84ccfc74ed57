"""Relevance: how surely what was told in one turn answers a question. Pure.

Similarity of meaning decides most, but cannot tell "my uncle's name" from "my nephew's name". So it also counts whether
both are about the same person or animal, whether there is an answer of the kind that is asked for, and whether what the
question calls "my ..." has a counterpart. The weights are those of a logistic regression over two pools of development
wording (docs/adr/0011-facts-and-recall.md); at 0, "it was told" and "it was not" are equally likely there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from statistics import fmean
from typing import Final

from voice_agent.memory.recall.question import Question, entities, holds
from voice_agent.memory.text import content_words, stem

POSSIBLE: Final = -1.5
LIKELY: Final = 0.0
_BIAS: Final = -8.1
_NEAREST, _STATEMENT, _FACT = 4.6, 4.6, 3.8
_SAME_ENTITY, _OTHER_ENTITY, _ENTITY_NOT_ASKED = 0.6, -4.0, -0.7
_HOLDS, _OWN, _MATTER = 0.7, 0.9, 1.65
_NOTHING_TO_MATCH: Final = 0.6
"""For a question that names nothing that could have a counterpart."""

Alike = Callable[[str, str], float]
"""Similarity of two words."""


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


def relevance(question: Question, told: Evidence, alike: Alike) -> float:
    score = _BIAS + _NEAREST * told.nearest + _STATEMENT * told.statement + _FACT * told.fact
    spoken_of = entities(told.text)
    if question.entities:
        score += _SAME_ENTITY if question.entities & spoken_of else _OTHER_ENTITY
    elif spoken_of:
        score += _ENTITY_NOT_ASKED
    if holds(told.text, question.asks):
        score += _HOLDS
    present = set(content_words(told.text))
    own = [_counterpart(word, present, alike) for word in question.own]
    matter = [_counterpart(word, present, alike) for word in question.matter]
    score += _OWN * min(own, default=_NOTHING_TO_MATCH)
    return score + _MATTER * (fmean(matter) if matter else _NOTHING_TO_MATCH)


def _counterpart(word: str, present: set[str], alike: Alike) -> float:
    if word in present or stem(word) in {stem(other) for other in present}:
        return 1.0
    return max((alike(word, other) for other in present), default=0.0)
