"""Soak pieces that kill processes of memory while they talk and sync, or learn; Letta and the facts are checked."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.aside import aside
from tests.support.letta_server import RealLetta
from tests.support.mortal import Mortal
from tests.support.mortal_learner import MortalLearner
from tests.support.stack import running_stack
from voice_agent.storage import Database, upgrade

LOOK_EVERY = 20


@asynccontextmanager
async def kills(seed: int) -> AsyncIterator[Callable[[int], Awaitable[dict[str, Any]]]]:
    async with aside(running_stack()) as stack:
        real = RealLetta(stack)
        draw = random.Random(seed)
        with tempfile.TemporaryDirectory() as home:
            agent = await asyncio.to_thread(real.add_agent, "Ada", {"persona": "I am Ada."})
            mortal = Mortal(stack, Path(home), agent)

            async def once(number: int) -> dict[str, Any]:
                turns = await mortal.live_and_be_killed(str(number), draw.uniform(0.0, 1.5))
                if number % LOOK_EVERY == LOOK_EVERY - 1:
                    await mortal.is_whole_in(real)
                return {"turns": turns}

            yield once


@asynccontextmanager
async def learning_kills(seed: int) -> AsyncIterator[Callable[[int], Awaitable[dict[str, Any]]]]:
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as home:
        url = f"sqlite+aiosqlite:///{home}/voice.db"
        database = Database(url)
        await upgrade(database)
        mortal = MortalLearner(database, url, Path(home) / "log.jsonl")

        async def once(number: int) -> dict[str, Any]:
            turns = await mortal.live_and_be_killed(number, draw.uniform(0.0, 0.3))
            if number % LOOK_EVERY == LOOK_EVERY - 1:
                await mortal.is_whole()
            return {"turns": turns}

        try:
            yield once
        finally:
            await database.close()
