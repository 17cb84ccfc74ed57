"""Bulk insertion of facts, for benchmarks of recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import update

from voice_agent.memory.facts.fact import ArchiveState, Fact
from voice_agent.memory.facts.store import Owner
from voice_agent.memory.facts.tables import facts, revisions
from voice_agent.storage.database import Database, insert_if_absent


async def put_facts(database: Database, owner: Owner, texts: Sequence[str]) -> list[Fact]:
    """One transaction with a new revision: without it recall does not load them. They are not archived in Letta, which
    would keep it busy for minutes."""
    now = datetime.now(UTC)
    made = [
        Fact(
            fact_id=f"bench-{uuid4().hex}",
            letta_agent_id=owner.letta_agent_id,
            person_id=owner.person_id,
            text=text,
            said_at=now,
            archive_state=ArchiveState.PARKED,
            note="Made up by a bench.",
        )
        for text in texts
    ]
    next_one = (
        update(revisions)
        .where(revisions.c.letta_agent_id == owner.letta_agent_id, revisions.c.person_id == owner.person_id)
        .values(revision=revisions.c.revision + 1)
        .returning(revisions.c.revision)
    )
    async with database.begin() as connection:
        await connection.execute(insert_if_absent(database, revisions, {**asdict(owner), "revision": 0}))
        revision = (await connection.execute(next_one)).scalar_one()
        await connection.execute(facts.insert(), [asdict(fact) | {"revision": revision} for fact in made])
    return made
