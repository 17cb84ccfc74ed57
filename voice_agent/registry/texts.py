"""Validators of callers' texts that reach a greeting or a prompt. Pure; a forbidden text raises `ValueError`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from voice_agent.registry.model import normalised_name

NAME_CHARS: Final = 60
_NAME: Final = f"A name has letters, digits, spaces and . ' - only, and at most {NAME_CHARS} characters."
_IN_NAMES: Final = frozenset(" .'-\u2019")
"""U+2019: phones type it as the apostrophe."""
_HIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators and direction marks."""
_BREAKS: Final = frozenset("\t\n\r")


def name_of_person(text: str) -> str:
    """The name in its canonical spelling. Greetings and prompts contain it, so no other text may fit in."""
    if _HIDDEN.search(text):
        raise ValueError(_NAME)
    name = normalised_name(text)
    allowed = all(c in _IN_NAMES or unicodedata.category(c)[0] in "LM" or c.isdecimal() for c in name)
    if not allowed or len(name) > NAME_CHARS:
        raise ValueError(_NAME)
    return name


def one_line(text: str) -> str:
    if _HIDDEN.search(text):
        raise ValueError("Control characters, line breaks and marks of direction are not allowed here.")
    return text


def some_lines(text: str) -> str:
    if any(c not in _BREAKS for c in _HIDDEN.findall(text)):
        raise ValueError("Control characters and marks of direction are not allowed here.")
    return text


def plain_document(document: Any) -> Any:
    """The document, with every text in it checked; without recursion, since it comes from outside."""
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            some_lines(value)
        elif isinstance(value, Mapping):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            pending += value
    return document
