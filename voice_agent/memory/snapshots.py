"""Snapshots: the last memory read of each agent, for a job that starts while Letta is away."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import delete, select, update

from voice_agent.memory.model import Block, Snapshot
from voice_agent.memory.tables import snapshots
from voice_agent.storage.database import Database, aware, insert_if_absent


class Snapshots:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[str, str] = {}

    async def keep(self, snapshot: Snapshot) -> None:
        """Writes only what is new to this process."""
        agent = snapshot.letta_agent_id
        if self._kept.get(agent) == snapshot.version:
            return
        row = {
            "letta_agent_id": agent,
            "persona_name": snapshot.persona_name,
            "blocks": [asdict(block) for block in snapshot.blocks],
            "loaded_at": snapshot.loaded_at,
        }
        async with self._database.begin() as connection:
            await connection.execute(insert_if_absent(self._database, snapshots, row))
            await connection.execute(update(snapshots).where(snapshots.c.letta_agent_id == agent).values(row))
        self._kept[agent] = snapshot.version

    async def last(self, letta_agent_id: str) -> Snapshot | None:
        async with self._database.read() as connection:
            query = select(snapshots).where(snapshots.c.letta_agent_id == letta_agent_id)
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        blocks = tuple(Block(**block) for block in row.blocks)
        return Snapshot(letta_agent_id, row.persona_name, blocks, aware(row.loaded_at))

    async def forget(self, letta_agent_id: str) -> None:
        """The agent is gone from Letta, or something in its memory was forgotten."""
        async with self._database.begin() as connection:
            await connection.execute(delete(snapshots).where(snapshots.c.letta_agent_id == letta_agent_id))
        self._kept.pop(letta_agent_id, None)
