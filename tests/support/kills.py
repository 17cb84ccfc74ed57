"""Tests of memory processes killed at random moments: a few kills in each test run, many in nightly."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from tests.support.databases import sqlite_database
from tests.support.letta_server import RealLetta
from tests.support.mortal import Mortal
from tests.support.mortal_archivist import MortalArchivist
from tests.support.mortal_learner import MortalLearner
from tests.support.stack import Stack
from voice_agent.storage import Database, upgrade


async def talk_is_killed(stack: Stack, home: Path, kills: int) -> None:
    """No turn is lost or stored twice on its way to Letta."""
    real = RealLetta(stack)
    agent = await asyncio.to_thread(real.add_agent, "Ada", {"persona": "I am Ada."})
    mortal = Mortal(stack, home, agent)
    chance = random.Random(7)
    for life in range(kills):
        await mortal.live_and_be_killed(str(life), chance.uniform(0.0, 1.5))
    await mortal.is_whole_in(real)


async def archiving_is_killed(stack: Stack, home: Path, kills: int) -> None:
    """Each fact is in one home, once."""
    agent = await asyncio.to_thread(RealLetta(stack).add_agent, "Ada", {"persona": "I am Ada."})
    url = sqlite_database(home)
    database = Database(url)
    await upgrade(database)
    await database.close()
    mortal = MortalArchivist(stack, home, agent, url)
    chance = random.Random(11)
    for life in range(kills):
        await mortal.live_and_be_killed(life, chance.uniform(0.0, 1.0))
    await mortal.is_whole()


async def learning_is_killed(home: Path, kills: int) -> None:
    """No fact is lost or stored twice."""
    url = sqlite_database(home)
    database = Database(url)
    await upgrade(database)
    chance = random.Random(17)
    mortal = MortalLearner(database, url, home / "log.jsonl")
    try:
        for life in range(kills):
            await mortal.live_and_be_killed(life, chance.uniform(0.0, 0.3))
        assert len(mortal.told) >= kills
        await mortal.is_whole()
    finally:
        await database.close()
