"""Compaction of a conversation's history. Pure. What no longer fits is reduced to a bounded list of what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from voice_agent.memory.facts.decide import is_order
from voice_agent.prompt_text import quoted

CHARS_PER_TOKEN: Final = 4
HISTORY_TOKENS: Final = 2_000
"""Budget of the exchange itself; memory and rules come on top."""
SUMMARY_CHARS: Final = 1_200
_LINE_CHARS: Final = 80


@dataclass(frozen=True, slots=True)
class Said:
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Compacted:
    drop: int
    """Number of oldest messages that leave the history."""
    summary: str


def compact(history: Sequence[Said], summary: str, budget: int = HISTORY_TOKENS) -> Compacted:
    """Once over the budget, cut down to half of it: cutting at every turn would invalidate the prompt cache."""
    sizes = [len(said.text) // CHARS_PER_TOKEN + 4 for said in history]
    if sum(sizes) <= budget:
        return Compacted(0, summary)
    left, drop = sum(sizes), 0
    while drop < len(history) - 1 and (left > budget // 2 or history[drop].role != "user"):
        left -= sizes[drop]
        drop += 1
    # In a system prompt an order would count for all participants, for as long as the conversation lasts.
    asked = [_line(said.text) for said in history[:drop] if said.role == "user" and not is_order(said.text)]
    lines = [*summary.splitlines(), *asked]
    while lines and sum(map(len, lines)) + len(lines) > SUMMARY_CHARS:
        lines.pop(0)
    return Compacted(drop, "\n".join(lines))


def _line(text: str) -> str:
    return f"They said: {quoted(text, _LINE_CHARS)}"
