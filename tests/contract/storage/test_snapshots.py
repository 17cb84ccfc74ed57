"""Kept snapshots: a job that starts while Letta is away knows what any earlier job has read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.eventually import PATIENCE
from tests.support.fake_letta import FakeLetta
from voice_agent import clock
from voice_agent.errors import Code
from voice_agent.memory.access import Memory
from voice_agent.memory.audience import Listener
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.model import Block
from voice_agent.settings import Settings
from voice_agent.storage import Database

BOAT = Block("human", "Their boat is called Marigold.", "About the person")
OWNER = Listener.of("owner", {})


@pytest.fixture
def nobody(tmp_path: Path) -> Settings:
    return Settings.model_validate({"VOICE_HOME": tmp_path, "LETTA_BASE_URL": "http://127.0.0.1:9"})


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What was read a moment ago counts as fresh: from here on it is an hour later."""
    return lambda: monkeypatch.setenv(clock.AHEAD, str(1 / 24))


async def test_what_was_read_last_outlives_the_job_that_read_it(
    database: Database, nobody: Settings, later: Callable[[], None]
) -> None:
    letta = FakeLetta()
    agent = await letta.add_agent("Ada", [Block("human", "")])
    before = Memory(database, letta)
    await before.load(agent, deadline=PATIENCE, listener=OWNER)
    await letta.edit_block(agent, "human", BOAT.value)
    read = (await before.load(agent, deadline=PATIENCE, listener=OWNER)).snapshot
    assert read is not None
    later()
    away = LettaClient(nobody)
    try:
        next_job = Memory(database, away)
        kept = await next_job.load(agent, deadline=1.0, listener=OWNER)
        assert (await next_job.load("agent-9", deadline=1.0, listener=OWNER)).snapshot is None, "another's memory"
    finally:
        await away.close()
    assert kept.snapshot == read
    assert kept.error is not None
    assert kept.error.code is Code.LETTA_UNAVAILABLE


async def test_of_an_agent_that_letta_no_longer_has_nothing_is_kept(
    database: Database, nobody: Settings, later: Callable[[], None]
) -> None:
    letta = FakeLetta()
    agent = await letta.add_agent("Ada", [BOAT])
    await Memory(database, letta).load(agent, deadline=PATIENCE, listener=OWNER)
    later()
    gone = await Memory(database, FakeLetta()).load(agent, deadline=1.0, listener=OWNER)
    assert gone.error is not None
    assert gone.error.code is Code.AGENT_NOT_FOUND
    away = LettaClient(nobody)
    try:
        assert (await Memory(database, away).load(agent, deadline=1.0, listener=OWNER)).snapshot is None
    finally:
        await away.close()


async def test_a_database_that_is_away_takes_nothing_from_what_letta_says() -> None:
    database = Database("postgresql+asyncpg://nobody@127.0.0.1:9/nothing")
    letta = FakeLetta()
    agent = await letta.add_agent("Ada", [BOAT])
    try:
        read = await Memory(database, letta).load(agent, deadline=PATIENCE, listener=OWNER)
        gone = await Memory(database, letta).load("agent-9", deadline=PATIENCE, listener=OWNER)
    finally:
        await database.close()
    assert read.snapshot is not None
    assert read.snapshot.blocks == (BOAT,)
    assert gone.error is not None
    assert gone.error.code is Code.AGENT_NOT_FOUND
