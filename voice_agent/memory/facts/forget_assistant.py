"""Forgetting an assistant whose agent is to be deleted in Letta: everything that anybody told it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, select, union

from voice_agent.memory.facts.forgetting import Forgetting
from voice_agent.memory.facts.store import Owner
from voice_agent.memory.facts.tables import facts, forgotten_texts, revisions
from voice_agent.memory.homes import Homes, lives_in_the_assistant
from voice_agent.memory.model import LettaPort
from voice_agent.memory.tables import homes, snapshots, threads, turns
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage.database import Database

_HELD: Final = (facts, revisions, forgotten_texts, homes, threads, snapshots)
"""Tables whose rows only say what was, or will be, in this agent."""


class AssistantForgetting:
    def __init__(self, database: Database, letta: LettaPort, log: ReconnectLog) -> None:
        self._database = database
        self._forgetting = Forgetting(database, letta, log)
        self._homes = Homes(database, letta)

    async def forget(self, letta_agent_id: str) -> None:
        """Raises if Letta still holds the home of somebody: to be called again. The agent itself is not touched."""
        for person_id in await self._people(letta_agent_id):
            await self._forgetting.forget_all(Owner(letta_agent_id, person_id))
            if not lives_in_the_assistant(person_id):
                await self._homes.forget(letta_agent_id, person_id)
        async with self._database.begin() as connection:
            for table in _HELD:
                await connection.execute(delete(table).where(table.c.letta_agent_id == letta_agent_id))

    async def _people(self, letta_agent_id: str) -> list[str]:
        named = [
            select(table.c.person_id).where(table.c.letta_agent_id == letta_agent_id)
            for table in (revisions, turns, homes)
        ]
        async with self._database.read() as connection:
            return sorted(await connection.scalars(union(*named)))
