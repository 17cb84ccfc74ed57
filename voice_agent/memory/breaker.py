"""Circuit breaker for Letta: after failures in a row, calls fail at once instead of waiting for a timeout."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from voice_agent.errors import Code, Temporary

_FAILURES: Final = 5
_REST: Final = 5.0
_HANGS_AFTER: Final = 1.0
"""Seconds without any answer after which a caller that stops waiting reports a server that hangs."""


class BreakerState(StrEnum):
    CLOSED = "closed"
    """Calls go through."""
    OPEN = "open"
    """Calls fail at once; after a pause one call is let through as a probe."""


class CircuitBreaker:
    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._failures = 0
        self._closed_until = 0.0
        self._heard_at = -_HANGS_AFTER

    @property
    def state(self) -> BreakerState:
        return BreakerState.OPEN if self._failures >= _FAILURES else BreakerState.CLOSED

    def check(self) -> float:
        """Before a call: raises while the breaker is open. Returns the time, for `gave_up`."""
        now = self._clock()
        if self.state is BreakerState.CLOSED:
            return now
        if now < self._closed_until:
            raise Temporary(
                Code.LETTA_UNAVAILABLE,
                f"{self._what} failed {self._failures} times in a row and is left alone for a moment.",
                "It is tried again by itself; see 'voice-agent status'.",
            )
        self._closed_until = now + _REST  # this call is the probe; the others still fail
        return now

    def failed(self) -> None:
        self._failures += 1
        self._closed_until = self._clock() + _REST

    def gave_up(self, asked_at: float) -> None:
        """The caller stopped waiting. A failure, unless the wait was short or the server answered another call
        meanwhile."""
        if self._clock() - max(asked_at, self._heard_at) >= _HANGS_AFTER:
            self.failed()

    def heard(self) -> None:
        """The first bytes of an answer: the server does not hang, whatever the answer turns out to be."""
        self._heard_at = self._clock()

    def succeeded(self) -> None:
        self._failures = 0
