"""Blocking context managers that start slowly, used from inside a running loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TypeVar

_T = TypeVar("_T")


@asynccontextmanager
async def aside(manager: AbstractContextManager[_T]) -> AsyncIterator[_T]:
    """Enters and exits `manager` in a thread."""
    entered = await asyncio.to_thread(manager.__enter__)
    try:
        yield entered
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)
