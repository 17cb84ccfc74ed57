"""Retries of work while what it needs is away for a moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from voice_agent.errors import Temporary

_WITHIN: Final = 8.0
"""Seconds; no longer, because a reset waits for what is being stored."""


async def while_temporary(work: Callable[[], Awaitable[object]], *, within: float = _WITHIN) -> None:
    """Repeat `work` until it succeeds, fails permanently, or time is up: then the last error is raised."""
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(Temporary),
        wait=wait_exponential(0.1, max=1.0),
        stop=stop_after_delay(within),
        reraise=True,
    )
    async for attempt in attempts:
        with attempt:
            await work()
