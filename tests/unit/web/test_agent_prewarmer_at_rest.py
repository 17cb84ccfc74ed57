"""Pauses of the prompt prewarmer: they grow while no assistant changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.fake_letta import FakeLetta
from tests.support.newest import upgraded
from voice_agent.memory.model import Block
from voice_agent.registry.agents import AgentRegistry
from voice_agent.registry.store import SqlAgentStore, SqlOwnMemoryStore
from voice_agent.settings import Settings
from voice_agent.storage import Database
from voice_agent.web.agent_prewarmer import AgentPrewarmer

AWAY = "https://models.example/v1"
"""Models that are not ours: nothing is prepared."""


class Pauses:
    """Takes note of each, and lets so many pass at once."""

    def __init__(self, count: int) -> None:
        self.seconds: list[float] = []
        self.all = asyncio.Event()
        self._count = count

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self._count:
            self.all.set()
            await asyncio.Event().wait()


async def pauses(home: Path, letta: FakeLetta, count: int) -> list[float]:
    settings = Settings(home=home, llm_base_url=AWAY, llm_model="m", tts_base_url=AWAY, tts_model="t")
    database, sleep = Database(settings.effective_database_url), Pauses(count)
    await upgraded(database)
    registry = AgentRegistry(SqlAgentStore(database), SqlOwnMemoryStore(database), letta, lambda: 0.0, "")
    work = asyncio.create_task(AgentPrewarmer(settings, registry, letta, sleep).run())
    try:
        async with asyncio.timeout(20):
            await sleep.all.wait()
    finally:
        work.cancel()
        await asyncio.wait([work])
        await database.close()
    return sleep.seconds


async def test_where_nothing_changes_the_pauses_grow_to_a_quarter_of_an_hour(tmp_path: Path) -> None:
    letta = FakeLetta()
    await letta.add_agent("Rosa", [Block("human", "likes rain")])
    assert await pauses(tmp_path, letta, 7) == [60.0, 120.0, 240.0, 480.0, 960.0, 960.0, 960.0]


async def test_where_nobody_can_be_picked_it_is_looked_again_soon_and_then_every_minute(tmp_path: Path) -> None:
    assert await pauses(tmp_path, FakeLetta(), 6) == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]
