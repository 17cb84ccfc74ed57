"""Read from Letta: every fact once, whenever the process that carries them is killed."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from tests.support.archivist import GRACE
from tests.support.fact_rows import FactRows
from tests.support.letta_server import RealLetta
from tests.support.stack import Stack
from voice_agent.memory.facts.archive import Archive
from voice_agent.memory.homes import Homes
from voice_agent.memory.letta import LettaClient
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage import Database, upgrade

KILLS = 10
PERSON = "user:robin"


async def _live_and_be_killed(environment: dict[str, str], life: int, agent: str, after: float) -> list[str]:
    """Returns the facts that were durable."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.archivist", str(life), agent, PERSON),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        first = await process.stdout.readline()
    await asyncio.sleep(after)
    process.kill()
    rest = await process.stdout.read()
    await process.wait()
    return (first + rest).decode().split()


async def test_killed_at_random_moments_each_fact_is_in_one_home_once(stack: Stack, tmp_path: Path) -> None:
    real = RealLetta(stack)
    agent = await asyncio.to_thread(real.add_agent, "Ada", {"persona": "I am Ada."})
    url = f"sqlite+aiosqlite:///{tmp_path / 'voice.db'}"
    database = Database(url)
    await upgrade(database)
    letta_key = stack.settings.letta_api_key
    environment = stack.environment | {
        "VOICE_HOME": str(tmp_path),
        "VOICE_DATABASE_URL": url,
        "LETTA_API_KEY": letta_key,
    }
    chance = random.Random(11)
    learned: list[str] = []
    for life in range(KILLS):
        learned += await _live_and_be_killed(environment, life, agent, chance.uniform(0.0, 1.0))

    letta, rows = LettaClient(stack.settings), FactRows(database)
    homes = Homes(database, letta)
    archive = Archive(rows, homes, letta, ReconnectLog(tmp_path / "log.jsonl", "test"), grace=GRACE)
    async with asyncio.timeout(120):
        while await rows.archivable(1):
            await archive.run_due()
            await asyncio.sleep(0.2)
    home = await homes.ensure(agent, PERSON)
    held = [passage.text for passage in await letta.passages(home)]
    known = {fact.text for fact in await rows.of_person(agent, PERSON)}
    assert await letta.find_homes(agent, PERSON) == [home]
    await letta.close()
    await database.close()
    assert sorted(held) == sorted(set(held)), "doubled"
    assert {f"Fact {fact_id}." for fact_id in learned} <= set(held), "lost"
    assert set(held) == known
