"""A fact: one sentence about a person, from whom and when it is known, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FactState(StrEnum):
    KNOWN = "known"
    REPLACED = "replaced"
    """A later fact corrects it; kept for questions about what was before."""
    FORGOTTEN = "forgotten"
    """Without its text: a mark, so that nothing brings it back."""


class FactSource(StrEnum):
    SAID = "said"
    LETTA = "letta"
    """Somebody wrote it into Letta."""


class ArchiveState(StrEnum):
    """Where a fact is on its way into Letta's archive."""

    PENDING = "pending"
    SENDING = "sending"
    """Posted or about to be posted: Letta is asked before it is posted again."""
    DONE = "done"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Fact:
    fact_id: str
    letta_agent_id: str
    """The assistant's memory that it belongs to, together with `person_id`."""
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
    """The words that told it, dates made absolute: a question is often nearer to them than to the fact."""
