"""Soak piece of a burst: a thousand people open a session at the same time."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.support.aside import aside
from tests.support.letta_directory import running_letta_directory
from tests.support.livekit_server import running_livekit
from voice_agent.settings import Settings

PEOPLE: Final = 1_000
AT_ONCE: Final = 8


@asynccontextmanager
async def burst(_seed: int) -> AsyncIterator[Callable[[int], Awaitable[dict[str, Any]]]]:
    async with aside(running_livekit()) as server, aside(tempfile.TemporaryDirectory()) as home:
        settings = server.settings.model_copy(update={"home": Path(home), "sessions_per_minute": 10 * PEOPLE})
        async with aside(running_letta_directory(settings.letta_port)) as letta, served(settings) as http:
            letta.add("agent-1", "Ada")

            async def one() -> tuple[str, float]:
                began = time.monotonic()
                async with http.post("/session", json={"agent_id": "agent-1"}) as answer:
                    assert answer.status == 201, await answer.text()
                    return str((await answer.json())["room_name"]), time.monotonic() - began

            async def once(_number: int) -> dict[str, Any]:
                found: dict[str, Any] = {}
                rooms: set[str] = set()
                alone = [await one() for _ in range(AT_ONCE)]
                rooms |= {room for room, _ in alone}
                found["alone_p50"] = round(sorted(seconds for _, seconds in alone)[AT_ONCE // 2], 3)
                began = time.monotonic()
                done = await asyncio.gather(*(one() for _ in range(PEOPLE)))
                elapsed = time.monotonic() - began
                rooms |= {room for room, _ in done}
                assert len(rooms) == PEOPLE + AT_ONCE, "a room twice"
                waits = sorted(seconds for _, seconds in done)
                return found | {
                    "seconds": round(elapsed, 2),
                    "wait_p50": round(waits[PEOPLE // 2], 2),
                    "wait_p95": round(waits[int(PEOPLE * 0.95)], 2),
                    "per_second": round(PEOPLE / elapsed, 1),
                }

            yield once


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    """The control plane as a separate process, and a client that is not the bottleneck."""
    told = {name: str(value) for name, value in settings.model_dump(by_alias=True, exclude_defaults=True).items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voice_agent.cli", "serve"),
        env={name: value for name, value in os.environ.items() if not name.startswith("VOICE_")} | told,
        cwd=settings.home,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        timeout = aiohttp.ClientTimeout(total=300)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(settings.page_url, timeout=timeout, connector=connector) as http:
            await there(http)
            yield http
    finally:
        process.terminate()
        await process.wait()


async def there(http: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                async with http.get("/health"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
