"""Deadlines and delays of an assistant, in seconds; the job sets some of them from the settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Deadlines in one room. `departure` None: the agent never leaves its empty room (policy `resident`)."""

    departure: float | None = 300.0
    quiet: float = 60.0
    start_deadline: float = 20.0
    """From the job's start to a published track. Memory that is still loading then counts as stale or absent."""
    reset_deadline: float = 2.0
    """`reset_for_reconnect()` ends within this, with fresh, stale or absent memory, unless a task does not end."""
    teardown_grace: float = 8.0
    """After the deadline, a task that does not end gets this long; then the job fails."""
    greeting_wait: float = 1.5
    """A human whose subscription was not reported is greeted anyway after this."""
    lost_for: float = 120.0
    """A human who lost the connection and is back within this continues the conversation, without a greeting."""
    memory_retry: float = 5.0
    """After a failed load, memory is loaded again after this, doubling."""
    memory_retry_max: float = 60.0
    drain_limit: float = 600.0
    """A draining agent finishes the visit it is in, within this."""

    def retry_after(self, failures: int) -> float:
        return float(min(self.memory_retry * 2 ** min(max(failures - 1, 0), 16), self.memory_retry_max))
