"""Orders of other people: in a room of several, what one asks of the assistant's manner counts for that one alone."""

from __future__ import annotations

from typing import Final

from livekit.agents import llm

from voice_agent.memory.facts.decide import is_order
from voice_agent.memory.model import Turn

_MOST: Final = 100


class OthersOrders:
    """Of one conversation; of what was said only hashes are kept."""

    def __init__(self) -> None:
        self._asking = ""
        self._given_by: dict[int, str] = {}

    def note(self, turn: Turn) -> None:
        """It is about to be answered."""
        self._asking = turn.speaker
        if is_order(turn.user_text):
            self._given_by[_mark(turn.user_text)] = turn.speaker
        if len(self._given_by) > _MOST:
            self._given_by.pop(next(iter(self._given_by)))

    def purge(self, items: list[llm.ChatItem]) -> None:
        """Take others' orders out of a prompt, with what was answered to them."""
        kept: list[llm.ChatItem] = []
        keeps = True
        for item in items:
            if isinstance(item, llm.ChatMessage) and item.role == "user":
                keeps = self._given_by.get(_mark(item.text_content or ""), self._asking) == self._asking
            if keeps or (isinstance(item, llm.ChatMessage) and item.role in ("system", "developer")):
                kept.append(item)
        items[:] = kept


def _mark(text: str) -> int:
    return hash(" ".join(text.split()))
