"""Archivist processes that are killed (tests/support/archivist.py), and the check of what Letta holds in the end."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.support.archivist import GRACE
from tests.support.fact_rows import FactRows
from tests.support.stack import Stack
from voice_agent.memory.facts.archive import Archive
from voice_agent.memory.homes import Homes
from voice_agent.memory.letta import LettaClient
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage import Database

PERSON = "user:robin"


class MortalArchivist:
    """Runner of one archivist process after the other, on one database and the real Letta."""

    def __init__(self, stack: Stack, home: Path, agent: str, url: str) -> None:
        self._stack, self._home, self._agent, self._url = stack, home, agent, url
        self._learned: list[str] = []

    async def live_and_be_killed(self, life: int, after: float) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.archivist", str(life), self._agent, PERSON),
            env=self._stack.environment
            | {
                "VOICE_HOME": str(self._home),
                "VOICE_DATABASE_URL": self._url,
                "LETTA_API_KEY": self._stack.settings.letta_api_key,
            },
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            first = await process.stdout.readline()
        await asyncio.sleep(after)
        process.kill()
        rest = await process.stdout.read()
        await process.wait()
        self._learned += (first + rest).decode().split()

    async def is_whole(self) -> None:
        """Checks in Letta that every durable fact is in the one home, once."""
        letta, database = LettaClient(self._stack.settings), Database(self._url)
        try:
            rows, homes = FactRows(database), Homes(database, letta)
            log = ReconnectLog(self._home / "log.jsonl", "test")
            archive = Archive(rows, homes, letta, log, grace=GRACE)
            async with asyncio.timeout(120):
                while await rows.archivable(1):
                    await archive.run_due()
                    await asyncio.sleep(0.2)
            home = await homes.ensure(self._agent, PERSON)
            held = [passage.text for passage in await letta.passages(home)]
            known = {fact.text for fact in await rows.of_person(self._agent, PERSON)}
            assert await letta.find_homes(self._agent, PERSON) == [home]
        finally:
            await letta.close()
            await database.close()
        assert sorted(held) == sorted(set(held)), "doubled"
        assert {f"Fact {fact_id}." for fact_id in self._learned} <= set(held), "lost"
        assert set(held) == known
