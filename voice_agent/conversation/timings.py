"""Timings of an answer: livekit measures each stage, the log has them as one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from livekit.agents import ConversationItemAddedEvent, llm

from voice_agent.contracts import LogEvent
from voice_agent.observe.journal import Journal

_STATIONS: Final[Mapping[str, str]] = {
    "transcription_delay": "understood_ms",
    "end_of_turn_delay": "turn_over_ms",
    "on_user_turn_completed_delay": "stored_ms",
    "llm_node_ttft": "first_word_ms",
    "llm_node_ttfs": "first_clause_ms",
    "tts_node_ttfb": "first_sound_ms",
    "e2e_latency": "answered_ms",
}
"""The first two and the last count from the person's last sound, word and clause from the LLM's start, the rest from
the stage before."""


class Timings:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._asked: dict[str, int] = {}

    def item_added(self, event: ConversationItemAddedEvent) -> None:
        item = event.item
        if not isinstance(item, llm.ChatMessage):
            return
        times = {
            name: round(float(value) * 1000)
            for station, name in _STATIONS.items()
            if isinstance(value := item.metrics.get(station), float)
        }
        if item.role == "user":
            self._asked = times
        elif self._asked:
            self._journal.write(LogEvent.TURN_TIMED, **self._asked, **times)
            self._asked = {}
