"""Fact: one sentence about a person, with its source, its time and its state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final


class FactState(StrEnum):
    KNOWN = "known"
    REPLACED = "replaced"
    """A later fact corrects it; its text is kept, so that forgetting the later fact forgets this one too."""
    FORGOTTEN = "forgotten"
    """A tombstone: the text is deleted, and nothing brings the fact back."""


class FactSource(StrEnum):
    SAID = "said"
    LETTA = "letta"
    """Written into Letta, by a person or another client."""


class ArchiveState(StrEnum):
    """Progress of a fact into Letta's archive."""

    PENDING = "pending"
    SENDING = "sending"
    """Posted or about to be posted: Letta is asked before it is posted again."""
    DONE = "done"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Fact:
    fact_id: str
    letta_agent_id: str
    """The assistant whose memory it belongs to, together with `person_id`."""
    person_id: str
    text: str
    said_at: datetime
    source: FactSource = FactSource.SAID
    turn_id: str = ""
    session_id: str = ""
    state: FactState = FactState.KNOWN
    replaces: str = ""
    archive_state: ArchiveState = ArchiveState.PENDING
    archive_attempts: int = 0
    passage_id: str = ""
    note: str = ""
    said: str = ""
    """The statement it comes from, dates made absolute: a question is often closer to it than to the fact."""


UNDATED: Final = datetime.fromtimestamp(0, UTC)
"""Time of a fact from a memory block, which does not say when it was told: anything dated is newer."""
_QUOTE: Final = 'The user said: "'


def in_own_words(words: str) -> str:
    """What a person said, as a fact: nothing was made of it."""
    return f'{_QUOTE}{words}"'


def is_quote(text: str) -> bool:
    return text.startswith(_QUOTE)
