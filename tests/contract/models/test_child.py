"""What the front promises of its children whatever they are made of."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from voice_agent.errors import Code
from voice_agent.models.child import Child


async def test_no_request_goes_over_a_connection_that_the_child_may_be_closing(tmp_path: Path) -> None:
    child = Child("hasty", "tests.support.hasty_child", tmp_path / "socket")
    supervising = asyncio.create_task(child.supervise({}), name="supervise-hasty")
    try:
        for _ in range(3):
            async with child.ask("/transcribe", Code.STT_FAILED, content=b"") as answer:
                assert await answer.aread() == b"{}"
    finally:
        supervising.cancel()
        with suppress(asyncio.CancelledError):
            await supervising
