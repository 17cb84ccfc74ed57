"""Who may compute on few cores: somebody who waits for an answer first, housekeeping only when nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from voice_agent.errors import Code, Temporary

WAIT_FOR_QUIET: Final = 60.0


class Admission:
    def __init__(self) -> None:
        self._live = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._background: asyncio.Timeout | None = None
        self._one = asyncio.Lock()

    @contextmanager
    def live(self) -> Iterator[None]:
        """A turn of a conversation. Background work ends at once."""
        self._live += 1
        self._quiet.clear()
        if self._background is not None:
            self._background.reschedule(asyncio.get_running_loop().time())
            self._background = None  # it is told once: while it tidies up it must not be told again
        try:
            yield
        finally:
            self._live -= 1
            if not self._live:
                self._quiet.set()

    @asynccontextmanager
    async def background(self) -> AsyncIterator[None]:
        """One at a time, when no turn runs; raises `Temporary` when one begins, or when the quiet does not come."""
        async with self._alone():
            await self._quiet_enough()
            try:
                async with asyncio.timeout(None) as scope:
                    self._background = scope
                    try:
                        yield
                    finally:
                        self._background = None
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
                while self._live:  # the next turn may have begun before we were woken
                    await self._quiet.wait()
        except TimeoutError:
            raise _busy("Conversations kept the local models busy.") from None


def _busy(why: str) -> Temporary:
    return Temporary(Code.MODEL_BUSY, why, "Background work is tried again at a quieter moment.")
