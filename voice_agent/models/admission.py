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
        self._background: set[asyncio.Timeout] = set()

    @contextmanager
    def live(self) -> Iterator[None]:
        """A turn of a conversation. Background work ends at once."""
        self._live += 1
        self._quiet.clear()
        now = asyncio.get_running_loop().time()
        while self._background:  # each is told once: one that is still tidying up must not be told again
            self._background.pop().reschedule(now)
        try:
            yield
        finally:
            self._live -= 1
            if not self._live:
                self._quiet.set()

    @asynccontextmanager
    async def background(self) -> AsyncIterator[None]:
        """Starts when no turn runs; raises `Temporary` when one begins, or when the quiet does not come."""
        try:
            async with asyncio.timeout(WAIT_FOR_QUIET):
                while self._live:  # the next turn may have begun before we were woken
                    await self._quiet.wait()
        except TimeoutError:
            raise _busy("Conversations kept the local models busy.") from None
        try:
            async with asyncio.timeout(None) as scope:
                self._background.add(scope)
                try:
                    yield
                finally:
                    self._background.discard(scope)
        except TimeoutError:
            if not scope.expired():
                raise
            raise _busy("A conversation needed the local models.") from None


def _busy(why: str) -> Temporary:
    return Temporary(Code.MODEL_BUSY, why, "Background work is tried again at a quieter moment.")
