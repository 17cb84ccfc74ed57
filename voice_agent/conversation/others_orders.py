"""Orders of other people: in a shared room, an order about the assistant's manner counts for its speaker only."""

from __future__ import annotations

from typing import Final

from livekit.agents import llm

from voice_agent.memory.facts.decide import is_order
from voice_agent.memory.model import Turn

_MOST: Final = 100


class OthersOrders:
    """The orders given in one job, kept as hashes only."""

    def __init__(self) -> None:
        self._asking = ""
        self._given_by: dict[int, set[str]] = {}

    def note(self, turn: Turn) -> None:
        """Called when the turn is about to be answered."""
        self._asking = turn.speaker
        if is_order(turn.user_text):
            self._given_by.setdefault(_mark(turn.user_text), set()).add(turn.speaker)
        if len(self._given_by) > _MOST:
            self._given_by.pop(next(iter(self._given_by)))

    def purge(self, items: list[llm.ChatItem]) -> None:
        """Remove others' orders from a prompt, with the answers to them."""
        kept: list[llm.ChatItem] = []
        keeps = True
        for item in items:
            if isinstance(item, llm.ChatMessage) and item.role == "user":
                given_by = self._given_by.get(_mark(item.text_content or ""))
                keeps = given_by is None or self._asking in given_by
            if keeps or (isinstance(item, llm.ChatMessage) and item.role in ("system", "developer")):
                kept.append(item)
        items[:] = kept


def _mark(text: str) -> int:
    return hash(" ".join(text.split()))
