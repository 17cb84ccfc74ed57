"""Forgetting: facts lose their text, and so do the turns that told them."""

from __future__ import annotations

from collections.abc import Collection

from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.memory.model import LettaPort
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage.database import Database


class Forgetting:
    def __init__(self, database: Database, letta: LettaPort, log: ReconnectLog) -> None:
        self._store = FactStore(database)
        self._letta = letta
        self._log = log

    async def forget(self, owner: Owner, fact_ids: Collection[str]) -> int:
        """How many facts were forgotten."""
        theirs = await self._store.of_person(owner.letta_agent_id, owner.person_id)
        wanted = [fact for fact in theirs if fact.fact_id in set(fact_ids)]
        turn_ids = {fact.turn_id for fact in wanted if fact.turn_id}
        told_by_them = [fact for fact in theirs if fact in wanted or fact.turn_id in turn_ids]
        await self._store.forget(owner, [fact.fact_id for fact in told_by_them], turn_ids)
        return len(told_by_them)

    async def forget_all(self, owner: Owner) -> int:
        theirs = await self._store.of_person(owner.letta_agent_id, owner.person_id)
        return await self.forget(owner, [fact.fact_id for fact in theirs])
