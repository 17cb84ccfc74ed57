"""Process that learns facts and archives them into Letta until it is killed: prints each fact that is durable.

python -m tests.support.archivist LIFE AGENT PERSON
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

from tests.support.fact_rows import FactRows
from voice_agent import settings
from voice_agent.memory.facts.archive import Archive
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.homes import Homes
from voice_agent.memory.letta import LettaClient
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage import Database

GRACE = 2.0


async def main(life: str, agent: str, person: str) -> None:
    chosen = settings.load().settings
    database, letta = Database(chosen.effective_database_url), LettaClient(chosen)
    rows = FactRows(database)
    log = ReconnectLog(chosen.reconnect_log, "test")
    archive = Archive(rows, Homes(database, letta), letta, log, grace=GRACE)
    number = 0
    while True:
        fact_id = f"{life}-{number}"
        await rows.add(Fact(fact_id, agent, person, f"Fact {fact_id}.", datetime.now(UTC)))
        print(fact_id, flush=True)
        number += 1
        await archive.run_due()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
