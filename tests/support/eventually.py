"""Waiting for something that offers no event, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds for what must happen and whose speed is not the question: other things may keep the machine busy."""


def eventually(look: Callable[[], T], good: Callable[[T], bool], *, within: float, every: float = 0.2) -> T:
    """The first good answer; the last one, whatever it is, when time is up."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if good(seen) or time.monotonic() > deadline:
            return seen
        time.sleep(every)
