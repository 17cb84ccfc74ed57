"""The user's own name, read from facts. Pure; English."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from voice_agent.memory.facts.fact import Fact

_CAPITALISED: Final = r"[^\W\d_a-z][\w'’-]*"
_NAMED: Final = re.compile(
    r"[Tt]he user(?:['’]s (?:first |full )?name is| is (?:called|named)) "
    rf"(?P<name>{_CAPITALISED}(?: {_CAPITALISED})*)\.?"
)
_IS: Final = re.compile(rf"[Tt]he user is {_CAPITALISED}(?: {_CAPITALISED})+\.?")
"""Most such facts are names ("The user is Ada Lovelace."), a few are not ("The user is South African.")."""


_INTRODUCTION: Final = re.compile(
    r"(?:(?i:hi|hello|hey|(?:good )?(?:morning|afternoon|evening))\b[,!.]? )?(?:(?i:this is|it['’]s|it is) )?"
    rf"(?P<name>{_CAPITALISED}(?: {_CAPITALISED}){{0,3}}),? (?:speaking|here)\b(?=[,.!]|$)"
)
_NOBODY: Final = frozenset("Nobody Everyone Everybody Someone Somebody Anyone Anybody We You They There".split())


def introduction(said: str) -> str:
    """A fact that names the user, from "Robin Ash speaking, ..." or "Hi, it's Robin here."; else empty."""
    found = _INTRODUCTION.match(said)
    return f"The user's name is {found['name']}." if found and found["name"] not in _NOBODY else ""


def own_name(fact: str) -> str:
    """The first name in the fact; empty: the fact is about something else."""
    found = _NAMED.fullmatch(fact)
    return found["name"].split()[0] if found else ""


def naming(facts: Iterable[Fact]) -> Fact | None:
    """The fact that names the user; `facts`: newest first."""
    facts = list(facts)
    told = next((fact for fact in facts if own_name(fact.text)), None)
    return told or next((fact for fact in facts if _IS.fullmatch(fact.text)), None)
