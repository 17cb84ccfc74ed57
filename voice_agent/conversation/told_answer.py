"""Answer that needs no language model: the fact that was recalled ("What is my cat called?", "Your cat is called
Pepper."), or that nothing was told. Pure; English.

A small local model takes seconds to find the words of such an answer, and sometimes finds wrong ones. Where one fact
answers a plain question for sure and can be said in the second person, it is said as it is.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from voice_agent.conversation.second_person import in_second_person
from voice_agent.languages import ENGLISH
from voice_agent.memory.facts.dates import worded_near
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.statements import is_question
from voice_agent.memory.recall.block_facts import from_block
from voice_agent.memory.recall.question import asks_about_self, holds, read
from voice_agent.memory.recall.recall import Recalled
from voice_agent.memory.text import sentences

_LONGEST: Final = 14
"""Words of a question that wants nothing but a fact."""
_PLAIN: Final = re.compile(
    r"^(?:(?:so|and|but|hey|please|tell me|(?:can|do) you (?:still )?(?:know|remember|tell me|recall)),? )*"
    r"(?:(?:what|which|who|whom|whose|where|when|in which|on which|at which|in what|on what|how (?:many|much|old|tall|"
    r"big|long|often))\b|(?:do|did|am|was|have) i\b|(?:is|are|was|were) my\b)",
    re.IGNORECASE,
)
"""Not "why" and "how", which want an explanation, nor what wants more than one thing."""
_WANTS_MORE: Final = re.compile(
    r"\b(?:and (?:what|which|who|where|when|how|tell|also)|because|explain|should|besides|except|apart from|"
    r"other than|else)\b",
    re.IGNORECASE,
)
_SUBJECT: Final = tuple(
    (re.compile(rf"^{first}\b"), second)
    for first, second in (("I am", "You are"), ("I was", "You were"), ("I", "You"), ("My", "Your"))
)
_OF_WHOM: Final = re.compile(r"\b(?:I|my|mine|myself|they|them|their|theirs|he|him|his|she|her|hers)\b")
"""In the rest of a clause of a block, which speaks of the person by name: whose it is, is not certain."""


def told_answer(question: str, recalled: Recalled, today: date) -> str:
    """Empty: an LLM has to answer."""
    if not _is_plain(question):
        return ""
    if recalled.untold:
        return ENGLISH.sentences.not_told_that
    fact = recalled.answer
    if fact is None or not holds(fact.text, read(question).asks):
        return ""
    return as_told(fact, today)


def as_told(fact: Fact, today: date) -> str:
    """The fact, said to the person. Empty: it cannot be said well."""
    if from_block(fact):
        said = _to_the_speaker(fact.said)
    else:
        clause = in_second_person(fact.text)
        said = worded_near(clause.text, today) if clause is not None else ""
    said = said.strip().rstrip(".")
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def _is_plain(question: str) -> bool:
    return (
        len(question.split()) <= _LONGEST
        and len(sentences(question)) == 1
        and is_question(question)
        and asks_about_self(question)
        and bool(_PLAIN.match(question))
        and not _WANTS_MORE.search(question)
    )


def _to_the_speaker(said: str) -> str:
    """Of a block's clause, which an assistant wrote: "me" is the assistant. Empty: it cannot be said well."""
    for pattern, second in _SUBJECT:
        if subject := pattern.match(said):
            rest = said[subject.end() :]
            return "" if _OF_WHOM.search(rest) else f"{second}{rest}"
    return ""
