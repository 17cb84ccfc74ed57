"""Process that adds turns and syncs them until it is killed: `python -m tests.support.talker NUMBER AGENT`.

Prints the number of each turn once it is durable, that is when an independent client would have seen its last word.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

from tests.support.facts_world import ScriptedProposer
from voice_agent import settings as settings_module
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.threads import Threads
from voice_agent.memory.worker import MemoryWorker
from voice_agent.observe.log import ReconnectLog
from voice_agent.rooms.retention import Retention
from voice_agent.storage import Database, upgrade


async def talk(life: str, agent: str) -> None:
    settings = settings_module.load().settings
    database, letta = Database(settings.effective_database_url), LettaClient(settings)
    await upgrade(database)
    outbox = Outbox(database)
    await Threads(database).ensure("thread", agent)

    async def alive() -> list[str]:
        return [f"session-{life}"]

    log = ReconnectLog(settings.reconnect_log, "talker")
    async with asyncio.TaskGroup() as group:
        group.create_task(
            MemoryWorker(
                settings, database, letta, log, alive, ScriptedProposer({}), Retention(settings, database).run_due
            ).run()
        )
        for number in itertools.count():
            turn_id = f"{life}-{number}"
            await outbox.open_turn(Turn(turn_id, "thread", f"session-{life}", agent, 1, f"question {turn_id}"))
            await outbox.finish_turn(turn_id, f"answer {turn_id}", interrupted=False)
            print(turn_id, flush=True)
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(talk(sys.argv[1], sys.argv[2]))
