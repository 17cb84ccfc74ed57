"""Child processes of the front: guarantees that do not depend on the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from voice_agent.errors import Code, Temporary
from voice_agent.models.child import Child


@asynccontextmanager
async def supervised(module: str, folder: Path, **order: int) -> AsyncIterator[Child]:
    child = Child("test", f"tests.support.{module}", folder / "socket")
    supervising = asyncio.create_task(child.supervise(order), name="supervise-test")
    try:
        yield child
    finally:
        supervising.cancel()
        with suppress(asyncio.CancelledError):
            await supervising


async def asked(child: Child) -> bytes:
    async with child.ask("/transcribe", Code.STT_FAILED, content=b"") as answer:
        return await answer.aread()


async def test_no_request_goes_over_a_connection_that_the_child_may_be_closing(tmp_path: Path) -> None:
    async with supervised("hasty_child", tmp_path) as child:
        for _ in range(3):
            assert await asked(child) == b"{}"


async def test_a_request_that_meets_a_dying_child_is_answered_by_the_next(tmp_path: Path) -> None:
    async with supervised("mortal_child", tmp_path, deaths=1) as child:
        assert await asked(child) == b"{}"
        assert child.restarts == 1


async def test_a_request_that_kills_its_child_does_so_twice_at_most(tmp_path: Path) -> None:
    async with supervised("mortal_child", tmp_path, deaths=2) as child:
        with pytest.raises(Temporary, match="stopped in the middle"):
            await asked(child)
        assert await asked(child) == b"{}"
        assert child.restarts == 2
