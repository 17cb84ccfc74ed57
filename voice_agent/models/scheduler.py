"""Who may compute on few cores: somebody who waits for an answer first, then what the next question will need, and
housekeeping only when nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Final

from voice_agent.errors import Code, Temporary

WAIT_FOR_QUIET: Final = 60.0


class Scheduler:
    def __init__(self) -> None:
        self._answers, self._housekeeping = Gate(), Gate()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """A turn of a conversation."""
        with self._answers.first(), self._housekeeping.first():
            yield

    @asynccontextmanager
    async def ahead(self) -> AsyncIterator[None]:
        """What a conversation reads before its next question: it yields to turns, and housekeeping yields to it."""
        with self._housekeeping.first():
            async with self._answers.second():
                yield

    @asynccontextmanager
    async def background(self) -> AsyncIterator[None]:
        """What nobody waits for."""
        async with self._housekeeping.second():
            yield


class Gate:
    """Between two ranks: the second computes when none of the first does, and ends when one begins."""

    def __init__(self) -> None:
        self._busy = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._second: asyncio.Timeout | None = None
        self._one = asyncio.Lock()

    @contextmanager
    def first(self) -> Iterator[None]:
        self._busy += 1
        self._quiet.clear()
        if self._second is not None:
            self._second.reschedule(asyncio.get_running_loop().time())
            self._second = None  # it is told once: while it tidies up it must not be told again
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._quiet.set()

    @asynccontextmanager
    async def second(self) -> AsyncIterator[None]:
        """One at a time; raises `Temporary` when one of the first begins, or when the quiet does not come."""
        async with self._alone():
            await self._quiet_enough()
            try:
                async with asyncio.timeout(None) as scope:
                    self._second = scope
                    try:
                        yield
                    finally:
                        self._second = None
            except TimeoutError:
                if not scope.expired():
                    raise
                raise _busy("A conversation needed the local models.") from None

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """What two prompts have in common is read by the first and copied for the second."""
        try:
            async with asyncio.timeout(WAIT_FOR_QUIET):
                await self._one.acquire()
        except TimeoutError:
            raise _busy("Other background work kept the local models busy.") from None
        try:
            yield
        finally:
            self._one.release()

    async def _quiet_enough(self) -> None:
        try:
            async with asyncio.timeout(WAIT_FOR_QUIET):
                while self._busy:  # the next one may have begun before we were woken
                    await self._quiet.wait()
        except TimeoutError:
            raise _busy("Conversations kept the local models busy.") from None


class StartLock:
    """One answer begins at a time. Two that are read and written in the same batches both begin when the later one
    does; the end of an answer has time, while its beginning is spoken."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Callable[[], None]]:
        """Yields what is to be called when the answer has begun; its end counts, too."""
        await self._lock.acquire()
        with ExitStack() as held:
            held.callback(self._lock.release)
            yield held.close


def _busy(why: str) -> Temporary:
    return Temporary(Code.MODEL_BUSY, why, "Background work is tried again at a quieter moment.")
