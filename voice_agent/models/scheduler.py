"""Scheduler of the local LLM and speech models on few cores: requests that a user waits for first, then prewarms and
captions, background work only when none of them runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, nullcontext
from typing import Final

from voice_agent.errors import Code, Temporary

WAIT_FOR_QUIET: Final = 60.0


class Scheduler:
    def __init__(self, llm_stands_still: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        """`llm_stands_still`: a context in which the local LLM does not compute."""
        self._prewarms, self._captions, self._housekeeping = Gate(), Gate(), Gate()
        self._llm_stands_still = llm_stands_still

    @contextmanager
    def answering(self) -> Iterator[None]:
        """For a request that a user waits for."""
        with self._prewarms.first(), self._captions.first(), self._housekeeping.first():
            yield

    @contextmanager
    def speech(self) -> Iterator[None]:
        """For speech that a user waits for: the words of a finished turn, the first sound of an answer. The LLM would
        halve its speed, and what the LLM makes is needed later."""
        with self.answering(), self._llm_stands_still():
            yield

    @asynccontextmanager
    async def ahead(self) -> AsyncIterator[None]:
        """For prewarming a conversation's prompt: yields to answers; background work yields to it."""
        with self._housekeeping.first():
            async with self._prewarms.second():
                yield

    @asynccontextmanager
    async def captioning(self) -> AsyncIterator[None]:
        """For a caption of what is still being said: beside prewarms, which need another model."""
        with self._housekeeping.first():
            async with self._captions.second():
                yield

    @asynccontextmanager
    async def background(self) -> AsyncIterator[None]:
        """For work that no user waits for: yields to answers and prewarms."""
        async with self._housekeeping.second():
            yield


class Gate:
    """Gate between two ranks: second-rank work runs only while no first-rank work does, and is aborted by it."""

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
            self._second = None  # aborted once: its clean-up must not be interrupted again
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._quiet.set()

    @asynccontextmanager
    async def second(self) -> AsyncIterator[None]:
        """One at a time; raises `Temporary` when first-rank work begins, or never pauses within WAIT_FOR_QUIET."""
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
        """One at a time, so that the common prefix of two prompts is read once and copied for the second."""
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
                while self._busy:  # another one may have begun before this task was woken
                    await self._quiet.wait()
        except TimeoutError:
            raise _busy("Conversations kept the local models busy.") from None


class StartLock:
    """Lock around the start of an answer. Two answers in the same llama.cpp batches would both start as late as the
    slower one; the rest of an answer is not urgent while its beginning is spoken."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Callable[[], None]]:
        """Yields a function to call when the answer has started; leaving the block releases the lock, too."""
        await self._lock.acquire()
        with ExitStack() as held:
            held.callback(self._lock.release)
            yield held.close


def _busy(why: str) -> Temporary:
    return Temporary(Code.MODEL_BUSY, why, "Background work is tried again at a quieter moment.")
