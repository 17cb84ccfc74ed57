from __future__ import annotations

import asyncio

from tests.support.eventually import PATIENCE
from tests.support.fake_letta import FakeLetta
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.memory.loader import MemoryLoader
from voice_agent.memory.model import Block, Snapshot


class MoodyLetta(FakeLetta):
    """Answers `load_blocks` with the errors it was given, then normally."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[Exception] = []

    async def load_blocks(self, agent_id: str) -> Snapshot:
        if self.errors:
            raise self.errors.pop(0)
        return await super().load_blocks(agent_id)


AWAY = Temporary(Code.LETTA_UNAVAILABLE, "away")


async def test_a_hiccup_is_retried_within_the_deadline() -> None:
    letta = MoodyLetta()
    agent = await letta.add_agent("Ada", [Block("persona", "I am Ada")])
    letta.errors = [AWAY, AWAY]
    result = await MemoryLoader(letta).load(agent, deadline=PATIENCE)
    assert result.fresh
    assert result.snapshot is not None
    assert result.snapshot.blocks == (Block("persona", "I am Ada"),)


async def test_the_last_good_snapshot_serves_and_is_called_stale() -> None:
    letta = MoodyLetta()
    agent = await letta.add_agent("Ada", [Block("persona", "I am Ada")])
    loader = MemoryLoader(letta)
    good = await loader.load(agent, deadline=PATIENCE)
    letta.errors = [AWAY] * 1000
    result = await loader.load(agent, deadline=0.3)
    assert result.snapshot == good.snapshot
    assert result.error is not None
    assert result.error.code is Code.LETTA_UNAVAILABLE


async def test_one_agents_snapshot_never_serves_another() -> None:
    letta = MoodyLetta()
    ada = await letta.add_agent("Ada", [Block("persona", "I am Ada")])
    bob = await letta.add_agent("Bob", [Block("persona", "I am Bob")])
    loader = MemoryLoader(letta)
    await loader.load(ada, deadline=PATIENCE)
    letta.errors = [AWAY] * 1000
    result = await loader.load(bob, deadline=0.3)
    assert result.snapshot is None


async def test_what_no_retry_can_mend_is_not_retried() -> None:
    letta = MoodyLetta()
    letta.errors = [Permanent(Code.AGENT_NOT_FOUND, "gone"), AWAY]
    result = await MemoryLoader(letta).load("agent-9", deadline=PATIENCE)
    assert result.error is not None
    assert result.error.code is Code.AGENT_NOT_FOUND
    assert letta.errors == [AWAY]


async def test_who_comes_in_does_not_wait_for_the_next_look_at_memory() -> None:
    letta = MoodyLetta()
    agent = await letta.add_agent("Ada", [Block("human", "They like tea.")])
    loader = MemoryLoader(letta)
    await loader.load(agent, deadline=PATIENCE)
    watching = asyncio.create_task(loader.next_change(agent, every=3600.0))
    await letta.edit_block(agent, "human", "They like coffee.")
    loader.look_now()
    changed = await asyncio.wait_for(watching, PATIENCE)
    assert changed.blocks == (Block("human", "They like coffee."),)
