"""Random values for one person; no value that would answer two questions is drawn twice."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from tests.bench.recall_words.numbers import in_words, ordinal
from tests.bench.recall_words.template import Pool
from tests.bench.recall_words.values import MONTHS, VALUES, WEEKDAYS

_RELATIVE: Final = {
    -7: ("a week ago", "one week ago"),
    -2: ("two days ago", "the day before yesterday"),
    -1: ("yesterday",),
    0: ("today",),
    1: ("tomorrow",),
    2: ("in two days", "the day after tomorrow"),
    7: ("in a week", "in one week"),
    14: ("in two weeks", "two weeks from now", "two weeks from today", "in a fortnight"),
}
_DAYS: Final = {
    "tomorrow": 1,
    "the day after tomorrow": 2,
    "in three days": 3,
    "in five days": 5,
    "in ten days": 10,
    "two weeks from today": 14,
    "yesterday": -1,
    "the day before yesterday": -2,
    "two days ago": -2,
    "four days ago": -4,
    "six days ago": -6,
    "a week ago": -7,
}


@dataclass(frozen=True, slots=True)
class Value:
    spoken: str
    keys: tuple[str, ...]
    """Keys by which the scorer finds the value (recall_match.py)."""

    def __format__(self, spec: str) -> str:
        return f"{'an' if self.spoken[0].lower() in 'aeio' else 'a'} {self.spoken}" if spec == "a" else self.spoken


class Drawing:
    """Random draws for one person. The visit's date defines "yesterday"; `asked` defines which words still name it."""

    def __init__(self, rng: random.Random, pool: Pool, asked: date) -> None:
        self.used: set[str] = set()
        self._rng = rng
        self._pool = pool
        self._asked = asked
        self._dated: Mapping[str, Callable[[date], Value]] = {
            "soon": lambda told: self._relative(told, self._pool.ahead),
            "ago": lambda told: self._relative(told, self._pool.ago),
            "ahead": self._ahead,
            "yearly": self._yearly,
            "month": self._month,
        }

    def value(self, name: str, told: date) -> Value:
        """A value of the list `name`; `number_3_9` is a number from 3 to 9."""
        if name in self._dated:
            return self._dated[name](told)
        if name.startswith("number_"):
            return self._number(name)
        if name == "time":
            return self._time()
        free = [entry for entry in VALUES[name] if not self.used & set(map(str.casefold, entry))]
        entry = self._rng.choice(free)
        self.used.update(map(str.casefold, entry))
        return Value(entry[0], entry)

    def values(self, texts: tuple[str, ...], told: date, known: Mapping[str, Value]) -> dict[str, Value]:
        """The values for all slots of the texts."""
        found = dict(known)
        for text in texts:
            for slot in slots(text):
                if slot not in found:
                    found[slot] = self.value(slot.split("~")[0], told)
        return found

    def _number(self, name: str) -> Value:
        low, high = map(int, name.split("_")[1:])
        number = self._rng.randint(low, high)
        return Value(in_words(number) if number < 13 else str(number), (f"number:{number}",))

    def _time(self) -> Value:
        while True:
            key = f"time:{self._rng.randint(5, 9):02}:{self._rng.choice((5, 10, 15, 20, 25, 35, 40, 45, 50, 55)):02}"
            if key not in self.used:
                self.used.add(key)
                return Value(key.removeprefix("time:0"), (key,))

    def _relative(self, told: date, phrases: tuple[str, ...]) -> Value:
        phrase, direction = self._rng.choice(phrases), 1 if phrases is self._pool.ahead else -1
        if "{weekday}" not in phrase:
            day = told + timedelta(days=_DAYS[phrase])
            return Value(phrase, (f"date:{day}", *words_for(day, self._asked)))
        # Drawn independently of the date, so that later draws do not depend on it.
        weekday = self._rng.randrange(7)
        away = ((weekday - told.weekday()) * direction) % 7 or 7
        days = [told + timedelta(days=direction * away)]
        if phrase.startswith("next") and days[0].isocalendar().week == told.isocalendar().week:
            days.append(days[0] + timedelta(days=7))  # speakers mean either
        keys = [key for day in days for key in (f"date:{day}", *words_for(day, self._asked))]
        return Value(phrase.format(weekday=WEEKDAYS[weekday]), tuple(keys))

    def _ahead(self, told: date) -> Value:
        day = told + timedelta(days=self._rng.randint(20, 200))
        return Value(self._spoken(day), (f"date:{day}",))

    def _yearly(self, _told: date) -> Value:
        day = date(2023, 1, 1) + timedelta(days=self._rng.randrange(365))
        return Value(self._spoken(day), (f"day:{day:%m-%d}",))

    def _month(self, _told: date) -> Value:
        year, month = self._rng.randint(2004, 2022), self._rng.randint(1, 12)
        return Value(f"{MONTHS[month - 1]} {year}", (f"month:{year}-{month:02}",))

    def _spoken(self, day: date) -> str:
        month, number = MONTHS[day.month - 1], ordinal(day.day)
        return self._rng.choice((f"the {number} of {month}", f"{month} {number}", f"{month} the {number}"))


def words_for(day: date, asked: date) -> Iterator[str]:
    """Words for the day if they are said on `asked`."""
    away = (day - asked).days
    yield from _RELATIVE.get(away, ())
    if away > 1:
        yield from (f"in {in_words(away)} days", f"{in_words(away)} days from now")
    elif away < -1:
        yield f"{in_words(-away)} days ago"
    if 0 < abs(away) <= 7:
        yield WEEKDAYS[day.weekday()]


def slots(text: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(text) if name]


def filled(text: str, values: Mapping[str, Any]) -> str:
    """The text with its values and an initial capital."""
    said = string.Formatter().vformat(text, (), values)
    return said[:1].upper() + said[1:]
