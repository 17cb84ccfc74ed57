"""The words of the machine: what it can be in, what it waits for, who is there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    STARTING = "starting"
    LOADING_MEMORY = "loading_memory"
    READY = "ready"
    ENGAGED = "engaged"
    RESETTING = "resetting"
    DRAINING = "draining"
    CLOSED = "closed"
    FAILED = "failed"


class Memory(StrEnum):
    """What a conversation would rest on right now."""

    LOADING = "loading"
    FRESH = "fresh"
    STALE = "stale"
    """The last good snapshot; a retry is scheduled."""
    ABSENT = "absent"
    """Never reached and nothing kept: the agent talks without memory and says so; a retry is scheduled."""


class Greeting(StrEnum):
    """Where the one greeting of this visit stands. A visit begins when the room goes from nobody to somebody."""

    NOT_DUE = "not_due"
    DUE = "due"
    SPEAKING = "speaking"
    DONE = "done"


class Timer(StrEnum):
    START_DEADLINE = "start_deadline"
    RESET_DEADLINE = "reset_deadline"
    TEARDOWN_GRACE = "teardown_grace"
    GREETING = "greeting"
    QUIET = "quiet"
    DEPARTURE = "departure"
    MEMORY_RETRY = "memory_retry"
    DRAIN_LIMIT = "drain_limit"


class Ack(StrEnum):
    """What a reset waits for, in this order: speech and tasks together, then the history."""

    SPEECH_STOPPED = "speech_stopped"
    TASKS_ENDED = "tasks_ended"
    HISTORY_CLEARED = "history_cleared"


class ResetOutcome(StrEnum):
    FRESH = "fresh"
    STALE = "stale"
    ABSENT = "absent"
    NOT_NEEDED = "not_needed"
    """Nothing had happened yet: the agent is still starting."""
    CLOSING = "closing"
    """The agent is leaving; a new one will start from nothing."""


@dataclass(frozen=True, slots=True)
class Human:
    """A participant whose kind says so. Keyed by `sid`: the same identity twice is two connections."""

    sid: str
    identity: str
    kind: str = "standard"
    name: str = ""
    call: str = ""
    """One press of "connect"; a client that connects anew by itself shows the same again. Empty: not known."""
