"""Minimal fact store on the real table, for tests that need only the rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC
from typing import Any

from sqlalchemy import Select, and_, or_, select, update

from voice_agent.memory.facts.fact import ArchiveState, Fact, FactSource, FactState
from voice_agent.memory.facts.tables import facts
from voice_agent.storage.database import Database, insert_if_absent

_ON_THE_WAY = (ArchiveState.PENDING, ArchiveState.SENDING)


class FactRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def archivable(self, limit: int) -> list[Fact]:
        waiting = facts.c.archive_state.in_(_ON_THE_WAY)
        known = and_(facts.c.state == FactState.KNOWN, waiting)
        untrue = and_(facts.c.state != FactState.KNOWN, or_(waiting, facts.c.passage_id != ""))
        return await self._read(select(facts).where(or_(known, untrue)).limit(limit))

    async def mark_archive(
        self, fact_ids: Sequence[str], state: ArchiveState, *, passage_id: str | None = None, note: str = ""
    ) -> None:
        values: dict[str, Any] = {"archive_state": state, "note": note}
        if passage_id is not None:
            values["passage_id"] = passage_id
        if state is ArchiveState.SENDING:
            values["archive_attempts"] = facts.c.archive_attempts + 1
        await self._set(fact_ids, values)

    async def of_person(self, letta_agent_id: str, person_id: str) -> list[Fact]:
        where = (facts.c.letta_agent_id == letta_agent_id, facts.c.person_id == person_id)
        return await self._read(select(facts).where(*where))

    async def people(self) -> list[tuple[str, str]]:
        async with self._database.read() as connection:
            rows = await connection.execute(select(facts.c.letta_agent_id, facts.c.person_id).distinct())
            return [(row.letta_agent_id, row.person_id) for row in rows]

    async def add(self, fact: Fact) -> None:
        async with self._database.begin() as connection:
            await connection.execute(insert_if_absent(self._database, facts, asdict(fact)))

    async def set_state(self, fact_ids: Sequence[str], state: FactState) -> None:
        await self._set(fact_ids, {"state": state} | ({"text": ""} if state is FactState.FORGOTTEN else {}))

    async def forgotten_digests(self, letta_agent_id: str, person_id: str) -> frozenset[str]:
        return frozenset()

    async def forgotten_among(self, turn_ids: Collection[str]) -> frozenset[str]:
        return frozenset()

    async def _set(self, fact_ids: Sequence[str], values: dict[str, Any]) -> None:
        async with self._database.begin() as connection:
            await connection.execute(update(facts).where(facts.c.fact_id.in_(fact_ids)).values(**values))

    async def _read(self, query: Select[Any]) -> list[Fact]:
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(facts.c.said_at, facts.c.fact_id))).mappings().all()
        return [_fact(row) for row in rows]


def _fact(row: Any) -> Fact:
    values = {name: row[name] for name in Fact.__dataclass_fields__}
    values |= {
        "said_at": row["said_at"].replace(tzinfo=UTC),  # SQLite drops the timezone
        "source": FactSource(row["source"]),
        "state": FactState(row["state"]),
        "archive_state": ArchiveState(row["archive_state"]),
    }
    return Fact(**values)
