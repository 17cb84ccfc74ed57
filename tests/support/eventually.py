"""Polling with a deadline, for conditions that offer no event."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds for events that must happen but whose speed is not tested: the machine may be busy with other work."""


def eventually(look: Callable[[], T], good: Callable[[T], bool], *, within: float, every: float = 0.2) -> T:
    """The first good result, or the last one at the deadline."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if good(seen) or time.monotonic() > deadline:
            return seen
        time.sleep(every)
