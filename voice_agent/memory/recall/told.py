"""Cache of what one person told, turn by turn, under every wording by which it is searched. No I/O.

A question is often closer to what was said than to the fact extracted from it, and in a long sentence closer to one
clause. So a turn is found by its facts, by its statement and by the clauses of a long one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from voice_agent.memory.facts.decide import acceptable
from voice_agent.memory.facts.fact import Fact, FactSource, in_own_words
from voice_agent.memory.facts.statements import clauses, left_out
from voice_agent.memory.recall.index import Vectors, WordingIndex, as_said
from voice_agent.memory.recall.relevance import Evidence
from voice_agent.memory.recall.sounds import Sounds
from voice_agent.memory.text import content_words, sentences, words

_LONG: Final = 16
"""Words of a sentence above which its clauses are wordings of their own."""
_OF_ONE_TURN: Final = 2
_ITEMS: Final = 4
"""Facts shown of one turn, and of a list."""
_MUCH_NEARER: Final = 0.1
"""Difference of similarity from which on what was said is shown, and not only what was learned from it."""


class Told:
    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}
        self.index = WordingIndex()
        self.sounds = Sounds()
        self.wanting: dict[str, str] = {}
        """Wordings whose vector is still to be computed, by their key in the index."""
        self._of_turn: dict[str, list[Fact]] = {}
        self._outdated: set[str] = set()
        """Turns with a fact that was replaced: not all that was said in them holds any more."""
        self._keys: dict[str, list[str]] = {}
        self._turn_of: dict[str, str] = {}

    def put(self, fact: Fact) -> None:
        turn = turn_of(fact)
        self.facts[fact.fact_id] = fact
        facts = self._of_turn.setdefault(turn, [])
        if not facts:
            self._keys[turn] = []
            for number, wording in enumerate(wordings(fact.said)):
                self._add(turn, f"{turn}/{number}", wording)
        facts.append(fact)
        self.sounds.add(_words_of(fact))
        self._add(turn, fact.fact_id, as_said(fact.text))

    def drop(self, dropped: Fact) -> None:
        turn = turn_of(dropped)
        self._outdated.add(turn)
        fact = self.facts.pop(dropped.fact_id, None)
        if fact is None:
            return
        self.sounds.drop(_words_of(fact))
        self._of_turn[turn] = [other for other in self._of_turn[turn] if other.fact_id != fact.fact_id]
        gone = [fact.fact_id] if self._of_turn[turn] else list(self._keys[turn])
        for key in gone:
            self.index.drop(key)
            self.wanting.pop(key, None)
            self._turn_of.pop(key, None)
        self._keys[turn] = [key for key in self._keys[turn] if key not in gone]
        if not self._of_turn[turn]:
            del self._of_turn[turn], self._keys[turn]

    def got(self, key: str, wording: str, vector: Vectors) -> None:
        if self.wanting.get(key) == wording:
            del self.wanting[key]
            self.index.put(key, wording, vector)

    def turn(self, key: str) -> str:
        """The turn of a wording."""
        return self._turn_of[key]

    def told(self, turn: str) -> str:
        """The statement and its facts, a line each."""
        facts = self._of_turn[turn]
        return "\n".join(dict.fromkeys((facts[0].said, *(fact.text for fact in facts))))

    def evidence(self, turn: str, vector: Vectors | None) -> Evidence | None:
        """None: no wording of the turn has a vector yet."""
        near = {
            key: self.index.similarity(key, vector)
            for key in self._keys[turn]
            if vector is not None and key not in self.wanting
        }
        if not near:
            return None
        nearest = max(near.values())
        of_facts = max((near[f.fact_id] for f in self._of_turn[turn] if f.fact_id in near), default=nearest)
        return Evidence(self.told(turn), nearest, near.get(f"{turn}/0", of_facts), of_facts)

    def nearest_facts(self, turn: str, vector: Vectors | None) -> list[Fact]:
        """Two; or up to four items of a list, if the nearest fact is an item: "The user speaks Finnish."

        The first is in the speaker's own words where these are much nearer: then the facts lack what is asked for. Of a
        long sentence it is the nearest clauses, with the clause before them.
        """
        near = sorted(self._of_turn[turn], key=lambda fact: -self.index.similarity(fact.fact_id, vector))
        said = self._nearer_words(turn, near[0], vector)
        items = [fact for fact in near if _opening(fact) == _opening(near[0])]
        if said is None and len(items) > _OF_ONE_TURN:
            return items[:_ITEMS]
        return near[:_OF_ONE_TURN] if said is None else [said, near[0]]

    def _nearer_words(self, turn: str, nearest: Fact, vector: Vectors | None) -> Fact | None:
        if turn in self._outdated or nearest.source is FactSource.LETTA:  # of the latter it is not what was said
            return None
        near = {
            wording: self.index.similarity(f"{turn}/{number}", vector)
            for number, wording in enumerate(wordings(nearest.said))
        }
        best = max(near, key=lambda wording: near[wording], default="")
        if not best or near[best] < self.index.similarity(nearest.fact_id, vector) + _MUCH_NEARER:
            return None
        around = in_context(nearest.said, best)
        shown = in_own_words(around)
        is_clause = best != nearest.said
        says_more = is_clause or left_out(around, [fact.text for fact in self._of_turn[turn]])
        return replace(nearest, text=shown) if says_more and acceptable(shown, nearest.said) else None

    def _add(self, turn: str, key: str, wording: str) -> None:
        self._keys[turn].append(key)
        self._turn_of[key] = turn
        self.index.put(key, wording, None)
        self.wanting[key] = wording


def _opening(fact: Fact) -> list[str]:
    return words(fact.text)[:3]


def _words_of(fact: Fact) -> list[str]:
    return content_words(f"{fact.said} {fact.text}")


def turn_of(fact: Fact) -> str:
    """A fact from elsewhere is a turn of its own."""
    return fact.turn_id or fact.fact_id


def wordings(statement: str) -> Sequence[str]:
    return list(dict.fromkeys((statement, *_pairs_of_clauses(statement)))) if statement else []


def in_context(statement: str, wording: str) -> str:
    """A statement itself, or a pair of its clauses with the clause before it."""
    for sentence in sentences(statement):
        parts = clauses(sentence)
        for place in range(len(parts) - 1):
            if _joined(parts[place : place + 2]) == wording:
                return _joined(parts[max(0, place - 1) : place + 2])
    return wording


def _pairs_of_clauses(statement: str) -> Iterator[str]:
    for sentence in sentences(statement):
        if len(words(sentence)) > _LONG:
            for pair in pairwise(clauses(sentence)):
                yield _joined(pair)


def _joined(parts: Sequence[str]) -> str:
    return "".join(parts).strip(" ,;:.")
