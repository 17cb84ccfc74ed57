"""Text of the greeting. Pure: it depends on the person, whether they were here before, and what they told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

from voice_agent.contracts import AgentBinding
from voice_agent.conversation.second_person import in_second_person
from voice_agent.languages import ENGLISH, Sentences
from voice_agent.languages.greetings import greeting
from voice_agent.memory.facts.dates import mentioned, without_dates, worded_near
from voice_agent.memory.facts.decide import negated
from voice_agent.memory.facts.fact import Fact, FactSource, FactState
from voice_agent.memory.facts.own_name import own_name
from voice_agent.memory.text import TENS, UNITS, words
from voice_agent.prompt_text import called

_PASSED: Final = 14
_AHEAD: Final = 7
"""Days around today within which an event is asked about."""
_LONGEST: Final = 24
"""Most words of a fact that can be repeated in a greeting."""
_HOW_IT_WENT: Final = "How did it go?"
_HOW_IT_FEELS: Final = "How do you feel about it?"
_WHAT_IS_NEW: Final = "What is new since then?"
_SECRET: Final = re.compile(
    r"\b(?:codes?|pin|pins|passwords?|passcodes?|passphrases?|secrets?|numbers?|phone|telephone|iban|account|bank|"
    r"salary|income|debts?|address|postcode|zip|passport|licen[cs]e|plate|keys?|safe|alarm|combination|login|"
    r"e-?mail|weighs?|weight)\b",
    re.IGNORECASE,
)
_HEALTH_AND_GRIEF: Final = re.compile(
    r"\b(?:allerg\w*|intoleran\w*|medic\w*|pills?|tablets?|insulin|inhaler|dos(?:e|es|age)|mg|milligrams?|drugs?|"
    r"prescri\w*|vaccin\w*|antibiotic\w*|doctors?|dentist|hospital|clinic|surgery|operation|therap\w*|psych\w*|"
    r"diagnos\w*|disease|illness|ill|sick|diabet\w*|cancer|tumou?r|hiv|asthma|epilep\w*|depress\w*|anxi\w*|pregnan\w*|"
    r"miscarr\w*|blood|pressure|die[ds]?|dead|death|dying|funeral|grave|burial|divorc\w*|separated|fired|arrested|"
    r"prison|court|suicid\w*|abus\w*)\b",
    re.IGNORECASE,
)
_OWN_NAME: Final = re.compile(r"\buser['’]s (?:\w+ )?name\b|\buser is (?:called|named)\b", re.IGNORECASE)
_SOMETHING: Final = re.compile(r"(?:the|an?|this|that|these|those|some) ", re.IGNORECASE)
"""Begins a sentence that names no person: a small model builds such sentences from halves of two."""
_DIGITS: Final = re.compile(r"\d[\d .-]*\d\d|\d{3}")
_NUMBER_WORDS: Final = frozenset((*UNITS, *TENS, "oh", "hundred", "thousand"))
_STRUNG: Final = 3
"""Number words in a row that count as a private number."""


def greeting_text(
    agent: AgentBinding,
    *,
    user_name: str,
    returning: bool,
    enabled: bool,
    follow_up: str = "",
    sentences: Sentences = ENGLISH.sentences,
) -> str:
    """Empty: nothing is said. `follow_up`: what a returning person is asked, where no greeting is configured; English,
    like the facts that it is made of."""
    if not enabled:
        return ""
    user_name = called(user_name)
    if returning and follow_up and agent.greeting is None:
        return f"Hello {user_name}. {follow_up}" if user_name else f"Welcome back. {follow_up}"
    return greeting(sentences, agent.name, agent.greeting, user_name, returning=returning)


def name_told(facts: Sequence[Fact]) -> str:
    """The first name by which the person last called themselves; empty: they told none."""
    told = sorted((fact for fact in facts if _was_told(fact)), key=lambda fact: fact.said_at, reverse=True)
    return next((name for fact in told if (name := own_name(fact.text))), "")


def follow_up(facts: Sequence[Fact], today: date) -> str:
    """A question about one thing that the person told: an event that is near, else the newest of their last visit;
    empty: nothing can be asked about without harm."""
    told = [fact for fact in facts if _was_told(fact)]
    told.sort(key=lambda fact: fact.said_at, reverse=True)
    last_visit = told[0].session_id if told else ""
    events = [(abs(days), fact, days) for fact in told if (days := _days_to_event(fact, today)) is not None]
    for _, fact, days in sorted(events, key=lambda event: event[0]):  # of those equally near, the newest
        if said := _repeated(fact, today, last_visit):
            return f"{said} {_HOW_IT_WENT if days < 0 else _HOW_IT_FEELS}"
    for fact in told:
        if fact.session_id == last_visit and (said := _repeated(fact, today, last_visit)):
            return f"{said} {_WHAT_IS_NEW}"
    return ""


def _was_told(fact: Fact) -> bool:
    """Told by the person, and already extracted as a fact."""
    return fact.state is FactState.KNOWN and fact.source is FactSource.SAID and not fact.fact_id.startswith("turn:")


def _days_to_event(fact: Fact, today: date) -> int | None:
    """Negative: it has passed. None: no event is near, or it had already happened when it was told."""
    dates = [day for _, day in mentioned(fact.text)]
    if not dates or negated(fact.text):
        return None
    day = max(dates)
    days = (day - today).days
    told_before = fact.said_at.astimezone().date() < day or days >= 0
    return days if told_before and -_PASSED <= days <= _AHEAD else None


def _repeated(fact: Fact, today: date, last_visit: str) -> str:
    """Empty: it must not be brought up, or cannot be said in good English."""
    if not _harmless(fact.text):
        return ""
    clause = in_second_person(fact.text)
    if clause is None or (not clause.dependent and _SOMETHING.match(clause.text)):
        return ""
    opening = "Last time you told me" if fact.session_id == last_visit else "You told me"
    return f"{opening}{' that' if clause.dependent else ':'} {worded_near(clause.text, today)}."


def _harmless(text: str) -> bool:
    return not is_private(text) and not _OWN_NAME.search(text) and len(words(text)) <= _LONGEST


def is_private(text: str) -> bool:
    """A secret, health, grief: others may hear the greeting, and the person did not ask."""
    plain = without_dates(text)
    if any(pattern.search(plain) for pattern in (_SECRET, _HEALTH_AND_GRIEF, _DIGITS)):
        return True
    spoken = plain.lower().replace("-", " ").split()
    return any(
        all(word.strip(",.") in _NUMBER_WORDS for word in spoken[place : place + _STRUNG])
        for place in range(len(spoken) - _STRUNG + 1)
    )
