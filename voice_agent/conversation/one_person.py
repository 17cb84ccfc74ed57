"""Rewording of a question about "our" dog as one about "my" dog. Pure; English.

A small model that reads "What is our dog called?" answers "Our dog is called ...", as if it lived in the house. In a
question that comes with a recall it reads "my" instead, and says "your".
"""

from __future__ import annotations

import re
from typing import Final

_SINGULAR: Final = tuple(
    (re.compile(rf"\b{plural}\b", re.IGNORECASE), singular)
    for plural, singular in (
        ("are we", "am I"),
        ("were we", "was I"),
        ("aren['’]t we", "am I not"),
        ("weren['’]t we", "wasn't I"),
        ("we are", "I am"),
        ("we were", "I was"),
        ("we['’]re", "I'm"),
        ("we(?=['’](?:ve|ll|d)\\b)", "I"),
        ("we", "I"),
        ("ourselves", "myself"),
        ("ours", "mine"),
        ("our", "my"),
        ("(?<!let )us", "me"),
    )
)
_ABBREVIATION: Final = re.compile(r"\bUS\b")


def as_one_person(question: str) -> str:
    if _ABBREVIATION.search(question):
        return question
    for plural, singular in _SINGULAR:
        question = plural.sub(singular, question)
    return f"{question[:1].upper()}{question[1:]}"
