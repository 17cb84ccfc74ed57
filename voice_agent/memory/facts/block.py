"""Block with the newest facts about a person, as text and back. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Final

from voice_agent.memory.facts.fact import Fact, FactState

BLOCK_CHARS: Final = 2_000
DESCRIPTION: Final = "The newest facts about the user, with the day on which each was told."
_DATED: Final = re.compile(r"(.*\S)\s*\((\d{4}-\d{2}-\d{2})\)")


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes that were made in Letta to the lines we wrote."""

    edited: tuple[tuple[str, str], ...] = ()
    """Each line before and after."""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def line_of(fact: Fact) -> str:
    return f"- {' '.join(fact.text.split())} ({fact.said_at:%Y-%m-%d})"


def as_block(facts: Sequence[Fact]) -> str:
    """Known facts, newest first, as many as there is room for."""
    lines: list[str] = []
    room_left = BLOCK_CHARS
    for fact in sorted((f for f in facts if f.state is FactState.KNOWN), key=lambda f: f.said_at, reverse=True):
        line = line_of(fact)
        room_left -= len(line) + 1
        if room_left < 0:
            break
        lines.append(line)
    return "\n".join(lines)


def changes(written: str, now: str) -> Changes:
    """Changes from the lines that we wrote to the present ones."""
    before, after = _lines(written), _lines(now)
    edited: list[tuple[str, str]] = []
    added: list[str] = []
    removed: list[str] = []
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        paired = min(b - a, d - c)
        edited += zip(before[a : a + paired], after[c : c + paired], strict=True)
        removed += before[a + paired : b]
        added += after[c + paired : d]
    return Changes(tuple(edited), tuple(added), tuple(removed))


def text_and_day(line: str) -> tuple[str, datetime | None]:
    """The line without its dash and day, and the day if it has one."""
    text = line.strip().removeprefix("-").strip()
    if dated := _DATED.fullmatch(text):
        try:
            return dated[1], datetime.strptime(dated[2], "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            return text, None
    return text, None


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]
