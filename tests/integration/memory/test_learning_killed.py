"""Killed at random moments of learning: no fact is lost, and none is there twice. `bench.sh soak` does it 200 times."""

from __future__ import annotations

import random
from pathlib import Path

from tests.support.mortal_learner import MortalLearner
from voice_agent.storage import Database, upgrade

KILLS = 8
SEED = 17


async def test_no_fact_is_lost_and_none_is_there_twice(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'voice.db'}"
    database = Database(url)
    await upgrade(database)
    chance = random.Random(SEED)
    mortal = MortalLearner(database, url, tmp_path / "log.jsonl")
    try:
        for life in range(KILLS):
            await mortal.live_and_be_killed(life, chance.uniform(0.0, 0.3))
        assert len(mortal.told) >= KILLS
        await mortal.is_whole()
    finally:
        await database.close()
