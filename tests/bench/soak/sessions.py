"""A thousand people at the door at once."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.aside import aside
from tests.support.control_plane import control_plane
from tests.support.letta_directory import running_letta_directory
from tests.support.livekit_server import running_livekit

PEOPLE: Final = 1_000


@asynccontextmanager
async def burst(_seed: int) -> AsyncIterator[Callable[[int], Awaitable[dict[str, Any]]]]:
    async with aside(running_livekit()) as server, aside(tempfile.TemporaryDirectory()) as home:
        settings = server.settings.model_copy(update={"home": Path(home), "sessions_per_minute": 10 * PEOPLE})
        async with aside(running_letta_directory(settings.letta_port)) as letta:
            letta.add("agent-1", "Ada")
            async with control_plane(settings) as plane:

                async def once(_number: int) -> dict[str, Any]:
                    async def one() -> tuple[str, float]:
                        began = time.monotonic()
                        return (await plane.open_session())["room_name"], time.monotonic() - began

                    plane.http.timeout = 120
                    began = time.monotonic()
                    done = await asyncio.gather(*(one() for _ in range(PEOPLE)))
                    assert len({room for room, _ in done}) == PEOPLE, "a room twice"
                    waits = sorted(seconds for _, seconds in done)
                    return {
                        "seconds": round(time.monotonic() - began, 2),
                        "wait_p50": round(waits[PEOPLE // 2], 2),
                        "wait_p95": round(waits[int(PEOPLE * 0.95)], 2),
                        "per_second": round(PEOPLE / (time.monotonic() - began), 1),
                    }

                yield once
