"""Facts about "the user" in the second person: "The user's dog is old." becomes "your dog is old". Pure; English.

A fact that cannot be turned with certainty is not turned: silence is better than broken English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from voice_agent.memory.facts.dates import tells_past

_AGREEMENT: Final = {
    "is": "are",
    "was": "were",
    "has": "have",
    "does": "do",
    "isn't": "aren't",
    "wasn't": "weren't",
    "hasn't": "haven't",
    "doesn't": "don't",
}
_UNCHANGED: Final = frozenset(
    "can cannot can't could couldn't will won't would wouldn't shall should shouldn't may might must mustn't didn't "
    "hadn't chose grew knew thought kept felt held heard quit put sent stood understood brought bought forgot".split()
)
_NO_VERBS: Final = frozenset(("always perhaps sometimes besides nowadays afterwards this").split())
_ADVERBS: Final = (
    "also|never|always|still|often|usually|really|currently|once|already|sometimes|just|recently|now|only|mostly|"
    "probably|no longer"
)
_CLEAR_VERBS: Final = frozenset(
    "is are was were has have had will would can cannot could does do did must should may might isn't aren't wasn't "
    "doesn't lives works plays likes loves hates goes comes starts begins ends leaves moves takes makes gets needs "
    "wants studies visits arrives returns opens closes sings dances runs owns drinks eats sleeps teaches wins lost won "
    "went came got bought broke found met saw took began left made sold fell told gave flew moved started".split()
)
_CLAUSE_STARTERS: Final = frozenset("that when because if while since before after where so until although".split())
_THE_USER: Final = re.compile(
    rf"(?:(?<=\s)|^)the user(?P<own>['’]s)?(?P<adverbs>(?: (?:{_ADVERBS}))*)(?: (?P<verb>[^\s,]+))?", re.IGNORECASE
)
_OTHERS: Final = re.compile(
    r"\b(?:i|me|my|mine|we|us|our|ours|you|your|yours)\b|[\"“”«»:;()\[\]{}<>*_`|?!\n]|\.\s|\.\.", re.IGNORECASE
)
_PRONOUN: Final = re.compile(
    r"\b(?:they|them|their|theirs|themselves|he|him|his|himself|she|her|hers|herself)\b", re.IGNORECASE
)
_OWN_PRONOUN: Final = re.compile(r"(?<=\S )(?:their|his)(?= [a-z])")
_SECOND_VERB: Final = re.compile(
    rf"(?:\b(?:and|but|or|then|yet)|,)(?: (?:and|but|or|then|{_ADVERBS}))* (?P<word>[\w'’]+)"
)


@dataclass(frozen=True, slots=True)
class Clause:
    text: str
    """Without a full stop."""
    dependent: bool
    """It can follow "that"; else it begins with a capital letter and can follow a colon."""


def in_second_person(fact: str) -> Clause | None:
    """None: it cannot be said to the user with certainty."""
    text = " ".join(fact.split()).rstrip(" .")
    if not text or _OTHERS.search(text):
        return None
    about_user = re.match(r"the user(?P<own>['’]s)? \S", text, re.IGNORECASE)
    if about_user is None:
        turned = _turned(text)
        return Clause(turned, dependent=False) if turned and text[0].isupper() and _has_verb(turned) else None
    if about_user["own"]:
        turned = _turned(text)
        return Clause(turned, dependent=True) if _has_verb(turned) else None
    turned = _of_the_user(text)
    return Clause(turned, dependent=True) if turned else None


def second_person(verb: str) -> str:
    """The form of a verb after "you", for the one after "the user"; empty: `verb` is no such form."""
    word = verb.replace("’", "'")
    if word in _AGREEMENT:
        return _AGREEMENT[word]
    if word in _UNCHANGED or tells_past(word):
        return verb
    if not re.fullmatch(r"[a-z]{2,}(?<!s)(?<!u)(?<!i)s", word) or word in _NO_VERBS:
        return ""
    return _base(word)


def _base(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y" if len(word) > 4 else word[:-1]
    if word == "aches" or not word.endswith(("sses", "shes", "ches", "xes", "zzes", "oes")):
        return word[:-1]
    return word[:-2]


def _of_the_user(text: str) -> str:
    """Of a sentence whose subject is the user: no second verb and no pronoun may be left to agree with another."""
    turned = _turned(text)
    if not turned:
        return ""
    place = _THE_USER.match(text)
    behind = text[place.end() :] if place is not None else ""
    words = (found["word"] for found in _SECOND_VERB.finditer(behind))
    if any(word[0].islower() and (word in _AGREEMENT or second_person(word) not in ("", word)) for word in words):
        return ""
    start = turned[: len(turned) - len(behind)] if turned.endswith(behind) else ""
    if start and _OWN_PRONOUN.match(f"{start}{behind}", len(start) + 1):
        turned = _OWN_PRONOUN.sub("your", turned, count=1)
    return "" if _PRONOUN.search(turned) else turned


def _turned(text: str) -> str:
    failed = False

    def turn(found: re.Match[str]) -> str:
        nonlocal failed
        adverbs, verb = found["adverbs"], found["verb"]
        rest = f"{adverbs} {verb}" if verb else adverbs
        if found["own"]:
            return f"your{rest}"
        before = text[: found.start()].split()[-1:]
        if before and before[0].lower() not in _CLAUSE_STARTERS:
            # An object. "Of the user", and a second subject after "and", need other words.
            failed = failed or before[0].lower() in ("of", "and", "or", "but", "as") or before[0].endswith(",")
            failed = failed or second_person(verb or "") in _AGREEMENT.values()
            return f"you{rest}"
        form = second_person(verb or "")
        failed = failed or not form
        return f"you{adverbs} {form}"

    turned = _THE_USER.sub(turn, text)
    return "" if failed or re.search(r"\busers?\b", turned, re.IGNORECASE) else turned


def _has_verb(clause: str) -> bool:
    found = clause.replace("’", "'").split()
    return any(word in _CLEAR_VERBS for word in found[1:-1])
