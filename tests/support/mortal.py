"""Talker processes that are killed at random moments, and the check of what Letta holds in the end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.facts_world import ScriptedProposer
from tests.support.letta_server import RealLetta
from tests.support.stack import Stack
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.threads import Threads
from voice_agent.memory.worker import MemoryWorker
from voice_agent.observe.log import ReconnectLog
from voice_agent.rooms.retention import Retention
from voice_agent.storage import Database


def pairs(turn_ids: list[str]) -> list[tuple[str, str, str]]:
    return [
        (role, f"{word} {turn_id.removeprefix('t')}", f"va:{turn_id}")
        for turn_id in turn_ids
        for role, word in (("user", "question"), ("assistant", "answer"))
    ]


class Mortal:
    """Runner of one talker process after the other (tests/support/talker.py), on one database and the real Letta."""

    def __init__(self, stack: Stack, home: Path, agent: str) -> None:
        url = f"sqlite+aiosqlite:///{home / 'voice.db'}"
        self._agent = agent
        self._settings = stack.settings.model_copy(update={"database_url": url, "home": home})
        self._environment = stack.environment | {
            "VOICE_HOME": str(home),
            "VOICE_DATABASE_URL": url,
            "LETTA_API_KEY": stack.settings.letta_api_key,
        }
        self._seen: list[str] = []

    async def live_and_be_killed(self, life: str, after: float) -> int:
        """Returns the number of turns that the process reported as durable."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.talker", life, self._agent),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            first = await process.stdout.readline()
        await asyncio.sleep(after)
        process.kill()
        rest = await process.stdout.read()
        await process.wait()
        seen = (first + rest).decode().split()
        self._seen += seen
        return len(seen)

    async def is_whole_in(self, real: RealLetta) -> None:
        """Checks in Letta that every reported turn is there once, in order, and no turn twice."""
        async with self._brought_home() as threads:
            conversation, _, _ = await threads.conversation("thread")
        assert conversation is not None
        held = await asyncio.to_thread(real.messages, conversation)
        known = set(self._seen)
        assert [message for message in held if message[2].removeprefix("va:") in known] == pairs(self._seen)
        users = [mark for role, _, mark in held if role == "user"]
        assert len(users) == len(set(users)), "doubled"

    @asynccontextmanager
    async def _brought_home(self) -> AsyncIterator[Threads]:
        """Runs the memory worker, with no job alive, until everything has reached Letta."""
        settings = self._settings
        database, letta = Database(settings.effective_database_url), LettaClient(settings)
        outbox = Outbox(database)

        async def nobody() -> list[str]:
            return []

        log = ReconnectLog(settings.reconnect_log, "test")
        work = asyncio.create_task(
            MemoryWorker(
                settings, database, letta, log, nobody, ScriptedProposer({}), Retention(settings, database).run_due
            ).run()
        )
        try:
            async with asyncio.timeout(120):
                while True:
                    if not await outbox.open_turns() and not await outbox.threads_with_work():
                        break
                    await asyncio.sleep(0.3)
            yield Threads(database)
        finally:
            work.cancel()
            await asyncio.wait([work])
            await letta.close()
            await database.close()
