"""Killed at random moments of learning: no fact is lost, and none is there twice."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path

from tests.support.learning_child import AGENT, PERSON, learner
from voice_agent.memory.facts.store import FactStore, Owner, Standing
from voice_agent.storage import Database, upgrade

KILLS = 8
SEED = 17


async def live_and_be_killed(url: str, life: int, after: float) -> list[str]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.learning_child", url, str(life)), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    told = [(await child.stdout.readline()).decode().strip()]  # it has started to tell
    try:
        async with asyncio.timeout(after):
            while line := await child.stdout.readline():
                told.append(line.decode().strip())
    except TimeoutError:
        pass
    child.kill()
    told += [line.strip() for line in (await child.stdout.read()).decode().splitlines()]
    await child.wait()
    return [turn for turn in told if turn]


async def test_no_fact_is_lost_and_none_is_there_twice(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'voice.db'}"
    database = Database(url)
    await upgrade(database)
    chance = random.Random(SEED)
    told = [turn for life in range(KILLS) for turn in await live_and_be_killed(url, life, chance.uniform(0.0, 0.3))]
    # A turn that was open when its process died is nobody's to learn from until it is adopted: nobody heard its end.
    learning = learner(database, tmp_path / "log.jsonl")
    owner = Owner(AGENT, PERSON)
    try:
        before = None
        while (standing := await FactStore(database).standing(owner)) != before:
            before = standing
            await learning.run_due()
        facts = await FactStore(database).of_person(*(owner.letta_agent_id, owner.person_id))
        names = Counter(fact.text.split()[-1].strip(".") for fact in facts)
        assert len(told) >= KILLS
        assert {name: names[name] for name in told} == dict.fromkeys(told, 2)
        assert max(names.values()) == 2
        assert (await FactStore(database).standing(owner)).parked == Standing(0, 0).parked
    finally:
        await database.close()
