"""Matcher for scripts/bench.sh recall: whether a text holds a value, in any spelling.

A key is a text ("Maine Coon"), or one of number:42, time:07:40, date:2026-12-14, day:12-14 (every year),
month:2019-03. Case, accents, hyphens, apostrophes, plural s, digits or words make no difference.
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from typing import Final

from tests.bench.recall_words.numbers import SMALL_WORDS, TENS_WORDS

_LETTERS: Final = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "’": "'", "‘": "'"})
_CONTRACTIONS: Final = (
    (r"\bcan't|\bcannot\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"'m\b", " am"),
    (r"'re\b", " are"),
    (r"'ve\b", " have"),
    (r"'ll\b", " will"),
    (r"'d\b", " would"),
    (r"'s\b", ""),
    (r"\bo'clock\b", ""),
    (r"'", ""),
    (r"(?<=\d),(?=\d{3}\b)", ""),
    (r"&", " and "),
    (r"\b(a|p)\.?m\b\.?", r" \1m"),
    (r"(?<=\d)(am|pm|h)\b", r" \1"),
)
_ORDINALS: Final = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "eleventh": 11,
    "twelfth": 12,
    "thirteenth": 13,
    "fourteenth": 14,
    "fifteenth": 15,
    "sixteenth": 16,
    "seventeenth": 17,
    "eighteenth": 18,
    "nineteenth": 19,
    "twentieth": 20,
    "thirtieth": 30,
}
_MONTHS: Final = {
    name.casefold(): number for names in (calendar.month_name, calendar.month_abbr) for number, name in enumerate(names)
} | {"sept": 9}
_FRACTIONS: Final = {"quarter": 15, "half": 30}


def tokens(text: str) -> list[str]:
    """Words in lower case without accents; numbers as digits, ordinals as `14th` (also `1th`)."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    for pattern, replacement in _CONTRACTIONS:
        plain = re.sub(pattern, replacement, plain)
    return list(_with_digits(re.findall(r"[^\W_]+", plain)))


def _with_digits(words: list[str]) -> Iterator[str]:
    place = 0
    while place < len(words):
        if (found := _number_at(words, place)) is not None:
            number, place = found
            if 20 <= number < 100 and number % 10 == 0 and place < len(words) and _ORDINALS.get(words[place], 10) < 10:
                yield f"{number + _ORDINALS[words[place]]}th"
                place += 1
            else:
                yield str(number)
            continue
        word = words[place]
        if word in _ORDINALS:
            word = f"{_ORDINALS[word]}th"
        yield re.sub(r"^(\d+)(st|nd|rd)$", r"\1th", word)
        place += 1


def _number_at(words: list[str], place: int) -> tuple[int, int] | None:
    """The number in words that begins at `place`, and the place after its end."""
    value = _below_hundred(words, place)
    if value is None:
        return None
    number, place = value
    for name, size in (("thousand", 1000), ("hundred", 100)):
        if number < 100 and words[place : place + 1] == [name]:
            number, place = number * size, place + 1
            rest = place + (words[place : place + 1] == ["and"])
            if (more := _number_at(words, rest)) is not None and more[0] < size:
                number, place = number + more[0], more[1]
            break
    return number, place


def _below_hundred(words: list[str], place: int) -> tuple[int, int] | None:
    word = words[place] if place < len(words) else ""
    if word == "a" and words[place + 1 : place + 2] in (["hundred"], ["thousand"]):
        return 1, place + 1
    if word in SMALL_WORDS:
        return SMALL_WORDS[word], place + 1
    if word not in TENS_WORDS:
        return None
    unit = SMALL_WORDS.get(words[place + 1], 0) if place + 1 < len(words) else 0
    return (TENS_WORDS[word] + unit, place + 2) if 0 < unit < 10 else (TENS_WORDS[word], place + 1)


def places(words: list[str], key: str) -> list[int]:
    """The positions of the value."""
    kind, _, value = key.partition(":")
    match kind:
        case "number":
            return [place for place, word in enumerate(words) if word == value]
        case "time":
            hour, minute = map(int, value.split(":"))
            return list(_times(words, hour, minute))
        case "date":
            wanted = date.fromisoformat(value)
            return [
                place
                for place, year, month, day in days_in(words)
                if (month, day) == (wanted.month, wanted.day) and year in (None, wanted.year)
            ]
        case "day":
            month, day = map(int, value.split("-"))
            return [place for place, _, *found in days_in(words) if found == [month, day]]
        case "month":
            in_year, in_month = value.split("-")
            return list(_months(words, in_year, int(in_month)))
    return list(_texts(words, tokens(key)))


def holds(text: str, key: str) -> bool:
    return bool(places(tokens(text), key))


def days_in(words: list[str]) -> Iterator[tuple[int, int | None, int, int]]:
    """Every date with a month: place, year if given, month, day."""
    for place, word in enumerate(words):
        if word in _MONTHS and word:
            before = place - 2 if words[place - 1 : place] == ["of"] else place - 1
            after = place + 2 if words[place + 1 : place + 2] == ["the"] else place + 1
            for at in (before, after):
                if 0 <= at < len(words) and (day := _day(words[at])):
                    following = max(at, place) + 1
                    yield place, _year(words, following), _MONTHS[word], day
                    break
        elif _year(words, place) and all(w.isdigit() for w in words[place : place + 3]) and len(words) > place + 2:
            yield place, int(word), int(words[place + 1]), int(words[place + 2])
        elif place >= 2 and _year(words, place) and all(one.isdigit() for one in words[place - 2 : place]):
            # Both 14/12/2026 and 12/14/2026 are in use.
            one, other = int(words[place - 2]), int(words[place - 1])
            yield from ((place, int(word), other, one), (place, int(word), one, other))


def _day(word: str) -> int | None:
    found = re.fullmatch(r"(\d{1,2})(th)?", word)
    return int(found[1]) if found and 0 < int(found[1]) < 32 else None


def _year(words: list[str], place: int) -> int | None:
    word = words[place] if 0 <= place < len(words) else ""
    return int(word) if re.fullmatch(r"(19|20)\d\d", word) else None


def _months(words: list[str], year: str, month: int) -> Iterator[int]:
    for place, word in enumerate(words):
        if word and _MONTHS.get(word) == month:
            after = [one for one in words[place + 1 : place + 4] if one not in ("of", "in", "the", "year")]
            if after[:1] == [year]:
                yield place


def _times(words: list[str], hour: int, minute: int) -> Iterator[int]:
    numbers = [_FRACTIONS.get(word, int(word) if word.isdigit() else None) for word in words]
    for place, number in enumerate(numbers[:-1]):
        after = numbers[place + 1]
        if number == hour and after == minute:
            yield place
        if number is None or after is not None:
            continue
        rest = [one for one in words[place + 1 : place + 4] if one not in ("minutes", "minute")]
        if len(rest) > 1 and rest[1].isdigit():
            past = rest[0] in ("past", "after") and (int(rest[1]), number) == (hour, minute)
            to = rest[0] in ("to", "before", "till") and (int(rest[1]), number) == (hour + 1, 60 - minute)
            if past or to:
                yield place


def _texts(words: list[str], key: list[str]) -> Iterator[int]:
    wanted = "".join(key)
    for place in range(len(words)):
        if key in (["tomorrow"], ["yesterday"]) and words[max(0, place - 2) : place - 1] == ["day"]:
            continue  # "the day after tomorrow" is another day
        for length in range(1, len(key) + 2):
            run = "".join(words[place : place + length])
            if run == wanted or (len(wanted) > 3 and run in (f"{wanted}s", wanted.removesuffix("s"))):
                yield place
                break
