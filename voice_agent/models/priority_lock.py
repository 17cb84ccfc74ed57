"""Priority lock around the speech models: one computation at a time, in pieces; the most urgent request waits for at
most one piece.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from enum import IntEnum
from itertools import count
from typing import Final, TypeVar

from anyio import CancelScope

from voice_agent.errors import Code, Temporary
from voice_agent.models.onnx import AbandonedError, Cancellation

T = TypeVar("T")
_END: Final = object()

LONGEST_QUEUE: Final = 64


class Priority(IntEnum):
    LIVE_STT = 0
    FIRST_CLAUSE = 1
    LATER_CLAUSE = 2
    CAPTION = 3
    BACKGROUND = 4


class PriorityLock:
    def __init__(self) -> None:
        self._busy = False
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._order = count()

    @asynccontextmanager
    async def turn(self, priority: Priority) -> AsyncIterator[None]:
        await self._enter(priority)
        try:
            yield
        finally:
            self._pass_on()

    async def _enter(self, priority: Priority) -> None:
        if not self._busy:
            self._busy = True
            return
        if len(self._waiting) >= LONGEST_QUEUE:
            raise Temporary(Code.MODEL_BUSY, "Too many requests wait for the local models.", "Try again in a moment.")
        mine = asyncio.get_running_loop().create_future()
        entry = (priority, next(self._order), mine)
        heapq.heappush(self._waiting, entry)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # the lock was granted at the moment of the cancellation
                self._pass_on()
            else:
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, next_in_line = heapq.heappop(self._waiting)
            if not next_in_line.done():
                next_in_line.set_result(None)
                return
        self._busy = False


async def pieces(
    priority_lock: PriorityLock, start: Callable[[Cancellation], Iterator[T]], first: Priority, later: Priority
) -> AsyncGenerator[T, None]:
    """Runs a blocking iterator in a thread, one turn per piece. Cancelling stops the piece that is being computed."""
    cancellation = Cancellation()
    iterator = start(cancellation)
    priority = first
    while True:
        async with priority_lock.turn(priority):
            piece = await _in_thread(lambda: next(iterator, _END), cancellation)
        if piece is _END:
            return
        yield piece  # type: ignore[misc]  # everything but _END is a T
        priority = later


async def _in_thread(work: Callable[[], T], cancellation: Cancellation) -> T:
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        cancellation.cancel()
        # The lock is released only when the thread has stopped. Shielded: the task group of a streamed answer cancels
        # again in every pass of the loop.
        with CancelScope(shield=True):
            await asyncio.wait([running])
        if not isinstance(running.exception(), AbandonedError | None):
            running.result()
        raise
