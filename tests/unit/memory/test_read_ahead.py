"""What another process has just read of Letta's memory serves the first load of a job, and no later one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.fake_letta import FakeLetta
from tests.support.memory_world import MemoryWorld
from voice_agent import clock
from voice_agent.memory.access import Memory
from voice_agent.memory.audience import Listener
from voice_agent.memory.model import HUMAN, Block, Snapshot
from voice_agent.memory.snapshots import Snapshots

ANNA = Listener.of("browser:anna", {})


class CountingLetta(FakeLetta):
    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    async def load_blocks(self, agent_id: str) -> Snapshot:
        self.read.append(agent_id)
        return await super().load_blocks(agent_id)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MemoryWorld]:
    async with MemoryWorld.open(tmp_path, letta=CountingLetta()) as opened:
        yield opened


def another_process(world: MemoryWorld) -> Memory:
    return Memory(world.database, world.letta)


def read(world: MemoryWorld) -> list[str]:
    assert isinstance(world.letta, CountingLetta)
    return world.letta.read


async def test_a_job_takes_what_was_read_ahead_for_it(world: MemoryWorld) -> None:
    home = await world.homes.ensure(world.agent, ANNA.person_id)
    await world.letta.set_block(home, HUMAN, "Likes tea.", "")
    await another_process(world).read_ahead(world.agent, 5.0, ANNA)
    assert sorted(read(world)) == sorted([world.agent, home])

    result = await world.memory.load(world.agent, 5.0, ANNA)

    assert len(read(world)) == 2
    assert result.fresh
    assert result.snapshot is not None
    assert [block.value for block in result.snapshot.blocks] == ["I am Ada", "Likes tea."]


async def test_what_is_loaded_again_is_read_from_letta(world: MemoryWorld) -> None:
    await another_process(world).read_ahead(world.agent, 5.0, ANNA)
    await world.memory.load(world.agent, 5.0, ANNA)
    await world.letta.set_block(world.agent, "persona", "I am somebody else", "")

    result = await world.memory.load(world.agent, 5.0, ANNA)

    assert result.snapshot is not None
    assert result.snapshot.blocks == (Block("persona", "I am somebody else"),)


async def test_what_was_changed_meanwhile_is_noticed_at_once(world: MemoryWorld) -> None:
    await another_process(world).read_ahead(world.agent, 5.0, ANNA)
    await world.letta.set_block(world.agent, "persona", "I am somebody else", "")
    await world.memory.load(world.agent, 5.0, ANNA)

    world.memory.look_now()
    changed = await world.memory.next_change(world.agent, 3600.0, ANNA)

    assert changed.blocks == (Block("persona", "I am somebody else"),)


@pytest.mark.parametrize("seconds", [-6, 6, 3600])
async def test_what_was_read_earlier_is_read_again(world: MemoryWorld, seconds: int) -> None:
    old = Snapshot(world.agent, "Ada", (Block("persona", "I was Ada"),), clock.now() - timedelta(seconds=seconds))
    await Snapshots(world.database).keep(old)

    result = await world.memory.load(world.agent, 5.0, ANNA)

    assert result.snapshot is not None
    assert result.snapshot.blocks == (Block("persona", "I am Ada"),)
