"""Rest between two visits: what our system still does after one must not slow the next."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from tests.bench.latency import used
from tests.support.stack import Stack

IDLE: Final = 0.2
"""Cores in use when the system counts as idle."""
WINDOW: Final = 2.0
SETTLED_WITHIN: Final = 120.0


async def settled(stack: Stack) -> None:
    """What our system still learns of one visit must not slow the next one, which is another system's. A system that
    is never idle is measured as it is."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLED_WITHIN):
            await _idle(stack)


async def _idle(stack: Stack) -> None:
    cores = IDLE
    while cores >= IDLE:
        before, _ = used(stack)
        await asyncio.sleep(WINDOW)
        cores = (used(stack)[0] - before) / WINDOW
