"""One computation for all who ask at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """At most one computation runs. Who asks meanwhile gets the result of the next one, which began after they asked:
    nobody is answered with what was true before."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._begun = 0
        self._last: tuple[int, T] | None = None

    async def get(self, compute: Callable[[], Awaitable[T]]) -> T:
        """A failure is for the one whose call computed; the next one in line computes again."""
        asked = self._begun
        async with self._one_at_a_time:
            if self._last is not None and self._last[0] > asked:
                return self._last[1]
            self._begun += 1
            number = self._begun
            result = await compute()
            self._last = number, result
            return result
