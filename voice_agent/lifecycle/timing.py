"""How long the assistant waits for what. Seconds, all of them; the driver's settings fill them in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """One room's patience. `departure` is None where an agent stays in its empty room for ever (policy `resident`)."""

    departure: float | None = 300.0
    quiet: float = 60.0
    start_deadline: float = 20.0
    """From the job's start to a memory (fresh or stale) and a published track."""
    reset_deadline: float = 2.0
    """`reset_for_reconnect()` ends within this, with a fresh or a stale memory."""
    teardown_grace: float = 8.0
    """After the deadline a task that still refuses to end gets this long; then the job is given up."""
    greeting_wait: float = 1.5
    """A listener whose subscription nobody reported is greeted anyway after this."""
    lost_for: float = 120.0
    """Who lost the connection and is back within this goes on with the same conversation, without a greeting."""
    memory_retry: float = 5.0
    """After a failed load the memory is tried again after this, doubling."""
    memory_retry_max: float = 60.0
    drain_limit: float = 600.0
    """A draining agent finishes the visit it is in, but not for ever."""

    def retry_after(self, failures: int) -> float:
        return float(min(self.memory_retry * 2 ** min(max(failures - 1, 0), 16), self.memory_retry_max))
