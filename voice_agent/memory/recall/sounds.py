"""Misheard words: a word of a question that the person never used, and one that they used and that sounds like it.

STT writes "dock" for "dog". Pure; English.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from jellyfish import jaro_winkler_similarity, metaphone

from voice_agent.memory.text import FUNCTION_WORDS, plain, stem

_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_SHORTEST: Final = 2
"""Length of the shortest phonetic code that counts; one sound is in too many words."""
_WRITTEN_ALIKE: Final = 0.75
"""Jaro-Winkler; "dock" and "dog" 0.78, "cat" and "kite" 0.53."""


@lru_cache(maxsize=50_000)
def _sound(word: str) -> str:
    code: str = metaphone(word)
    return code if len(code) >= _SHORTEST else ""


class Sounds:
    """The words that one person used, by their sounds."""

    def __init__(self) -> None:
        self._used: Counter[str] = Counter()
        self._stems: Counter[str] = Counter()
        self._sounding: dict[str, set[str]] = defaultdict(set)

    def add(self, words: Iterable[str]) -> None:
        for word in words:
            self._used[word] += 1
            self._stems[stem(word)] += 1
            if sound := _sound(word):
                self._sounding[sound].add(word)

    def drop(self, words: Iterable[str]) -> None:
        for word in words:
            self._stems[stem(word)] -= 1
            self._used[word] -= 1
            if not self._used[word]:
                del self._used[word]
                self._sounding[_sound(word)].discard(word)

    def as_used(self, text: str, known: Iterable[str]) -> str:
        """The text with unused words replaced by used ones that sound like them. `known`: words that are no mistake."""
        known = frozenset(known)
        return _WORD.sub(lambda found: self._used_for(found[0], known), text)

    def _used_for(self, written: str, known: frozenset[str]) -> str:
        word = plain(written)
        if word in FUNCTION_WORDS or word in known or self._stems[stem(word)]:
            return written
        like = [(jaro_winkler_similarity(word, other), other) for other in self._sounding.get(_sound(word), ())]
        alike, best = max(like, default=(0.0, written))
        return best if alike >= _WRITTEN_ALIKE else written
