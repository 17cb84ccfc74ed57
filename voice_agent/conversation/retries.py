"""Work that is repeated while what it needs is away for a moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from voice_agent.errors import Temporary

_WITHIN: Final = 8.0
"""Seconds; a reset waits for what is stored."""


async def while_temporary(work: Callable[[], Awaitable[object]], *, within: float = _WITHIN) -> None:
    """Until it succeeds, fails for good, or time is up: then the last error is raised."""
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(Temporary),
        wait=wait_exponential(0.1, max=1.0),
        stop=stop_after_delay(within),
        reraise=True,
    )
    async for attempt in attempts:
        with attempt:
            await work()
