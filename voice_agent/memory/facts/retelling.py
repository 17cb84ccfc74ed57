"""Retellings of a fact: sentences that hold the words by which it differs from others. Pure; English."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from voice_agent.memory.facts.dates import DAYS, MONTHS
from voice_agent.memory.facts.decide import GLUE
from voice_agent.memory.text import FUNCTION_WORDS, content_words, stem, words

_CALENDAR: Final = frozenset(map(stem, (*DAYS, *MONTHS)))
_VERBS: Final = frozenset(("is", "are", "was", "has", "lives", "works", "likes", "plays", "wants", "s"))
"""Behind the first word of a sentence: that word is a name, not just capitalised."""
_MAY_BE_MISSING: Final = 4
"""One in this many ordinary words may be missing where the same is said in other words."""


@dataclass(frozen=True, slots=True)
class Signs:
    """Stems by which a fact is recognised."""

    all_of: frozenset[str]
    any_of: frozenset[str] = frozenset()
    """At least one of these, too: a number alone means nothing."""
    missing: int = 0
    """How many of `all_of` may be absent."""

    def told_in(self, text: str) -> bool:
        heard = stems(text)
        if not self.all_of or len(self.all_of - heard) > self.missing:
            return False
        return not self.any_of or bool(self.any_of & heard)

    def touched_in(self, text: str) -> bool:
        """Whether any of `all_of` is named."""
        return bool(self.all_of & stems(text))


def signs(fact: str, said: str = "", elsewhere: Collection[str] = ()) -> Signs:
    """Signs of a fact: its names and numbers, else all words that carry the meaning.

    `said`: the turn that told it; a computed date ("yesterday") is in no turn. `elsewhere`: facts that are kept; a name
    that occurs there, too, distinguishes nothing.
    """
    heard = stems(said)
    about = {stem(word) for word in content_words(fact)}
    if heard:
        about -= {word for word in about - heard if word in _CALENDAR or word.isdigit()}
    kept = {stem(word) for text in elsewhere for word in content_words(text)}
    strong = {word for word in about if word.isdigit() or word in names(fact)} - kept
    rest = about - strong
    if any(not word.isdigit() for word in strong):
        return Signs(frozenset(strong))
    if strong:
        return Signs(frozenset(strong), any_of=frozenset(rest - GLUE))
    ordinary = (rest - GLUE) or rest
    return Signs(frozenset(ordinary), missing=len(ordinary) // _MAY_BE_MISSING)


def names(sentence: str) -> set[str]:
    """Stems of capitalised words; of the first word only in front of a verb."""
    parts = sentence.split()
    capital = [one for one in parts[1:] if one[:1].isupper()]
    opening = words(sentence)[:2]
    if len(opening) == 2 and opening[1] in _VERBS:
        capital.append(opening[0])
    return {stem(word) for one in capital for word in words(one) if word not in FUNCTION_WORDS}


def stems(text: str) -> frozenset[str]:
    return frozenset(map(stem, words(text)))


def digest(owner: Iterable[str], text: str) -> str:
    """Digest of the words of a sentence about this person: recognises the same sentence, reveals nothing by itself."""
    told = " ".join(sorted({stem(word) for word in content_words(text)}))
    return hashlib.sha256(chr(0).join((*owner, told)).encode()).hexdigest()
