"""Shared computation: concurrent callers get one result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Runs at most one computation at a time. Callers that arrive meanwhile get the result of the next one, which began
    after they asked: no caller gets an outdated result."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._begun = 0
        self._last: tuple[int, T] | None = None

    async def get(self, compute: Callable[[], Awaitable[T]]) -> T:
        """Raises a failure only in the call that computed; the next caller computes again."""
        asked = self._begun
        async with self._one_at_a_time:
            if self._last is not None and self._last[0] > asked:
                return self._last[1]
            self._begun += 1
            number = self._begun
            result = await compute()
            self._last = number, result
            return result
