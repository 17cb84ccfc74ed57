"""Vocabulary of the lifecycle machine: states, timers, acknowledgements, humans."""

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
    """The memory that a conversation would use now."""

    LOADING = "loading"
    FRESH = "fresh"
    STALE = "stale"
    """The last good snapshot; a retry is scheduled."""
    ABSENT = "absent"
    """Nothing loaded and no snapshot: the agent talks without memory and says so; a retry is scheduled."""


class Greeting(StrEnum):
    """Progress of the visit's one greeting. A visit begins when a human joins an empty room."""

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
    """Acknowledgements that a reset waits for, in this order: speech and tasks together, then the history."""

    SPEECH_STOPPED = "speech_stopped"
    TASKS_ENDED = "tasks_ended"
    HISTORY_CLEARED = "history_cleared"


class ResetOutcome(StrEnum):
    FRESH = "fresh"
    STALE = "stale"
    ABSENT = "absent"
    NOT_NEEDED = "not_needed"
    """The agent is still starting: there is nothing to reset."""
    CLOSING = "closing"
    """The agent is leaving; a new one starts from nothing."""


@dataclass(frozen=True, slots=True)
class Human:
    """A participant of a human kind. Keyed by `sid`: the same identity twice is two connections."""

    sid: str
    identity: str
    kind: str = "standard"
    name: str = ""
    call: str = ""
    """Id of one press of "connect"; a client that reconnects by itself shows the same id. Empty: unknown."""
