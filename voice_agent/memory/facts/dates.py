"""Relative dates made absolute: "yesterday" becomes "on Wednesday 25 November 2026". Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from typing import Final

from voice_agent.memory.text import TENS, UNITS, sentences

DAYS: Final = ("monday tuesday wednesday thursday friday saturday sunday").split()
MONTHS: Final = ("january february march april may june july august september october november december").split()
_NUMBER: Final = {word: number for number, word in enumerate(UNITS)} | {
    "a": 1,
    "an": 1,
    "a couple of": 2,
    "couple of": 2,
}
_DAY: Final = "|".join(DAYS)
_SOON: Final = rf"{_DAY}|today|tomorrow"
_COUNT: Final = rf"\d{{1,3}}|{'|'.join(sorted(_NUMBER, key=len, reverse=True))}|{'|'.join(TENS)}"
_UNIT: Final = "day|week|fortnight|month|year"
_PAST: Final = re.compile(
    r"\b(?:\w+ed|was|were|had|did|went|came|got|bought|broke|lost|found|met|saw|took|began|left|made|ate|drank|won|"
    r"sold|fell|hurt|told|gave|caught|flew|drove|ran|slept|spent|paid|taught|wrote|read|sang|swam|built|became)\b",
    re.IGNORECASE,
)


_NEAR: Final = 60
"""Days within which a date needs no year."""


def spoken(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B} {day.year}"


_ABSOLUTE: Final = re.compile(
    rf"(?P<on>\bon )?(?P<approximate>\b(?:around|(?:week|weekend|night) of) )?"
    rf"\b(?P<weekday>{_DAY}) (?P<day>\d{{1,2}}) (?P<month>{'|'.join(MONTHS)}) (?P<year>\d{{4}})\b",
    re.IGNORECASE,
)


def mentioned(sentence: str) -> list[tuple[re.Match[str], date]]:
    """The days that are named in the form of `spoken`."""
    found = []
    for match in _ABSOLUTE.finditer(sentence):
        with suppress(ValueError):  # 31 November
            month = MONTHS.index(match["month"].lower()) + 1
            found.append((match, date(int(match["year"]), month, int(match["day"]))))
    return found


def without_dates(sentence: str) -> str:
    return _ABSOLUTE.sub(" ", sentence)


def worded_near(sentence: str, today: date) -> str:
    """Name the days as seen from today, without what is obvious. A day that has passed keeps its date, which fits any
    tense of the sentence."""
    for match, day in reversed(mentioned(sentence)):
        named = _named_near(day, today, exact=match["approximate"] is None)
        before = "" if named in ("today", "tomorrow") else match["on"] or ""
        sentence = f"{sentence[: match.start()]}{before}{match['approximate'] or ''}{named}{sentence[match.end() :]}"
    return sentence


def _named_near(day: date, today: date, *, exact: bool) -> str:
    ahead = (day - today).days
    if exact and ahead in (0, 1):
        return ("today", "tomorrow")[ahead]
    if exact and 1 < ahead < 7:
        return f"{day:%A}"
    if abs(ahead) < _NEAR:
        return f"{day:%A} {day.day} {day:%B}"
    return f"{day.day} {day:%B}" if day.year == today.year else f"{day.day} {day:%B} {day.year}"


def tells_past(word: str) -> bool:
    return _PAST.fullmatch(word) is not None


def absolute(statement: str, said_on: date) -> str:
    """Replace every relative date by the day, month or year that is meant. For what was said, not for the sentence of a
    model, which loses "next" and "from now on"."""
    return " ".join(_absolute(sentence, said_on) for sentence in sentences(statement))


def _absolute(sentence: str, said_on: date) -> str:
    past = bool(_PAST.search(sentence))
    for pattern, meant in _RULES:
        sentence = pattern.sub(lambda found, meant=meant: meant(found, said_on, past), sentence)  # type: ignore[misc]
    return _DOUBLED.sub(r"\1", sentence)


_DOUBLED: Final = re.compile(r"\b(for|to|by|until|till|from|since|of|before|after|on) on(?= )", re.IGNORECASE)
_RECURRING: Final = re.compile(
    rf"\b(?:every|each|weekly|from now on|always|usually|normally|mostly|these days)\b|"
    rf"\b(?:{_DAY}) (?:is|are|was|night is|evening is)\b|"
    rf"\b(?:go|goes|play|plays|sing|sings|run|runs|swim|swims|rehearse|rehearses|train|trains|meet|meets|practi[cs]es?|"
    rf"teach|teaches|work|works|cook|cooks|volunteer|volunteers)\b",
    re.IGNORECASE,
)
"""A recurring day of the week."""


def _on(day: date) -> str:
    return f"on {spoken(day)}"


def _weekday(found: re.Match[str], today: date, past: bool) -> str:
    which = (found["which"] or "").lower()
    if not which and _RECURRING.search(found.string):
        return found[0]
    ahead = (DAYS.index(found["day"].lower()) - today.weekday()) % 7
    heads_for = found.string[: found.start()].rstrip().lower().endswith((" to", " for", " until", " till", " by"))
    if which in ("last", "past") or (past and not which and not heads_for):
        return _on(today - timedelta((7 - ahead) % 7 or 7))
    return _on(today + timedelta(ahead or 7))


def _near(days: int) -> Callable[[re.Match[str], date, bool], str]:
    return lambda found, today, past: _on(today + timedelta(days)) + _part_of_day(found)


def _part_of_day(found: re.Match[str]) -> str:
    part = found.groupdict().get("part") or ""
    return f" in the {part}" if part and part != "night" else " at night" if part else ""


def _moved(found: re.Match[str], today: date, sign: int) -> str:
    word = found["count"].lower()
    count = sign * (int(word) if word.isdigit() else _NUMBER.get(word) or 10 * (TENS.index(word) + 2))
    unit = found["unit"].lower()
    if unit == "day":
        return _on(today + timedelta(count))
    if unit in ("week", "fortnight"):
        return f"around {spoken(today + timedelta((7 if unit == 'week' else 14) * count))}"
    months = today.year * 12 + today.month - 1 + count * (12 if unit == "year" else 1)
    if unit == "month":
        return f"in {MONTHS[months % 12].capitalize()} {months // 12}"
    return f"in {months // 12}"


def _from_today(found: re.Match[str], today: date, _past: bool) -> str:
    """To the day, unlike "in two weeks"."""
    return _moved(found, today, 1).replace("around ", "on ")


def _a_week_after(found: re.Match[str], today: date, _past: bool) -> str:
    """ "A week on Friday", "Friday week", "a week tomorrow", "today week"."""
    word = (found["day"] or found["first"]).lower()
    ahead = (DAYS.index(word) - today.weekday()) % 7 or 7 if word in DAYS else ("today", "tomorrow").index(word)
    return _on(today + timedelta(7 + ahead))


def _period(found: re.Match[str], today: date, past: bool) -> str:
    step = {"last": -1, "this": 0, "next": 1}[found["which"].lower()]
    unit = found["unit"].lower()
    if unit == "week":
        monday = today - timedelta(today.weekday()) + timedelta(7 * step)
        return f"in the week of {spoken(monday)}"
    if unit == "weekend":
        return f"on the weekend of {spoken(today - timedelta(today.weekday()) + timedelta(5 + 7 * step))}"
    if unit == "month":
        months = today.year * 12 + today.month - 1 + step
        return f"in {MONTHS[months % 12].capitalize()} {months // 12}"
    return f"in {today.year + step}"


_RULES: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date, bool], str]], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), meant)
    for pattern, meant in (
        (r"\bthe day before yesterday\b", _near(-2)),
        (r"\bthe day after tomorrow\b", _near(2)),
        (rf"\b(?:in )?(?P<count>{_COUNT}) (?P<unit>{_UNIT})s? from (?:today|now)\b", _from_today),
        (
            rf"\b(?:(?:on )?(?P<first>{_SOON}) week|a week (?:from |on )?(?P<day>{_SOON}))\b",
            _a_week_after,
        ),
        (r"\byesterday(?: (?P<part>morning|afternoon|evening|night))?\b", _near(-1)),
        (r"\blast night\b", lambda _found, today, _past: f"in the night of {spoken(today - timedelta(1))}"),
        (r"\btomorrow(?: (?P<part>morning|afternoon|evening|night))?\b", _near(1)),
        (r"\b(?:today|tonight)\b", _near(0)),
        (r"\bthis (?P<part>morning|afternoon|evening)\b", _near(0)),
        (
            rf"(?<!every )(?<!each )\b(?:(?:on|by) )?"
            rf"(?:(?:this |the )?(?P<which>next|last|past|this|coming) )?(?P<day>{_DAY})\b"
            rf"(?!,? (?:the )?(?:\d|{'|'.join(MONTHS)}))",
            _weekday,
        ),
        (rf"\b(?P<count>{_COUNT}) (?P<unit>{_UNIT})s? ago\b", lambda f, t, _p: _moved(f, t, -1)),
        (rf"\bin (?P<count>{_COUNT}) (?P<unit>{_UNIT})s?(?: from now|['’]? time)?\b", lambda f, t, _p: _moved(f, t, 1)),
        (r"\b(?P<which>last|this|next) (?P<unit>weekend|week|month|year)\b", _period),
    )
)
