"""Statements as STT transcribes them: lower case, no punctuation, small words wrong, fillers, a repeated word."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

from tests.bench.recall_words.drawing import Value
from tests.bench.recall_words.numbers import in_words
from tests.bench.recall_words.template import Pool

_MISHEARD_AT_MOST = 2


def as_heard(rng: random.Random, pool: Pool, statement: str, values: Iterable[Value]) -> str:
    """Values are not altered, so that the answer can be scored."""
    words = _words(statement, [value.spoken for value in values])
    small = [place for place, word in enumerate(words) if word in pool.misheard]
    for place in rng.sample(small, min(len(small), _MISHEARD_AT_MOST)):
        words[place] = pool.misheard[words[place]]
    twice = rng.choice([place for place, word in enumerate(words) if len(word) < 5 and not word.isdigit()])
    words.insert(twice, words[twice])
    for place in sorted(rng.sample(range(1, len(words)), 2), reverse=True):
        words.insert(place, rng.choice(pool.fillers))
    return re.sub(r"\d+", lambda number: in_words(int(number[0])), " ".join(words).replace("_", " "))


def _words(statement: str, values: list[str]) -> list[str]:
    """Words in lower case; a value of several words is one word with underscores."""
    for value in values:
        statement = statement.replace(value, value.replace(" ", "_").replace("-", "_"))
    plain = re.sub(r"[^\w\s]", "", statement.casefold())
    return plain.split()
