"""Homes: the Letta agents that keep what one assistant knows of one person.

Letta's own tools search everything in an agent, whichever conversation it was said in. So each person has an agent of
their own, a copy of the assistant that is created on first use. The owner's home is the assistant's own agent.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, select, update

from voice_agent.memory.audience import heard_by_everyone
from voice_agent.memory.model import Copied, LettaPort
from voice_agent.memory.tables import homes, snapshots, threads
from voice_agent.storage.database import Database, insert_if_absent

OWNER: Final = "owner"
"""The person of all unidentified local callers, where no other caller is possible (registry/people.py)."""


def lives_in_the_assistant(person_id: str) -> bool:
    """Whether the home is the assistant's own agent: for the owner, and for turns without a known person."""
    return person_id in ("", OWNER)


class Homes:
    def __init__(self, database: Database, letta: LettaPort) -> None:
        self._database = database
        self._letta = letta
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def home(self, letta_agent_id: str, person_id: str) -> str | None:
        """From the database, without asking Letta. None: there is none yet."""
        if lives_in_the_assistant(person_id):
            return letta_agent_id
        row = await self._row(letta_agent_id, person_id)
        return row.home_agent_id if row is not None else None

    async def lives_in(self, home: str) -> tuple[str, str]:
        """Assistant and person of a home; for an assistant's own agent, its owner."""
        query = select(homes.c.letta_agent_id, homes.c.person_id).where(homes.c.home_agent_id == home)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return (row[0], row[1]) if row is not None else (home, OWNER)

    async def ensure(
        self, letta_agent_id: str, person_id: str, name: str = "", copied: Copied = heard_by_everyone
    ) -> str:
        """The home, created if missing: once, despite crashes and concurrent processes.

        The first id that reaches the table stays. A home whose id was lost in a crash is found by its tag. `copied`:
        the assistant's blocks that it starts with; callers that do not know the assistant's configuration leave the
        default, and `sync` adds the others.
        """
        if (known := await self.home(letta_agent_id, person_id)) is not None:
            return known
        async with self._locks[letta_agent_id, person_id]:
            if (known := await self.home(letta_agent_id, person_id)) is not None:
                return known
            found = await self._letta.find_homes(letta_agent_id, person_id)
            if not found:
                found = [await self._letta.create_home(letta_agent_id, person_id, name, copied)]
            kept = await self._keep(letta_agent_id, person_id, found[0])
            for superfluous in found:
                if superfluous != kept:
                    # Another process was faster. This home's id was never given to a caller, so it holds nothing.
                    await self._letta.delete_agent(superfluous)
            return kept

    async def sync(self, letta_agent_id: str, person_id: str, blocks_version: str, copied: Copied) -> None:
        """Copy those of the assistant's blocks that are `copied` into the home as they are now, and remove copies of
        others; does nothing if the home has this version."""
        row = await self._row(letta_agent_id, person_id)
        if row is None or row.home_agent_id is None or row.blocks_version == blocks_version:
            return
        await self._letta.sync_home_blocks(letta_agent_id, row.home_agent_id, copied)
        async with self._database.begin() as connection:
            where = (_of(letta_agent_id, person_id), homes.c.home_agent_id == row.home_agent_id)
            await connection.execute(update(homes).where(*where).values(blocks_version=blocks_version))

    async def lost(self, letta_agent_id: str, person_id: str, home: str) -> None:
        """The home was deleted in Letta: the next use creates another one."""
        if not lives_in_the_assistant(person_id):
            async with self._database.begin() as connection:
                await connection.execute(
                    delete(homes).where(_of(letta_agent_id, person_id), homes.c.home_agent_id == home)
                )
                await connection.execute(delete(threads).where(threads.c.letta_agent_id == home))
                await connection.execute(delete(snapshots).where(snapshots.c.letta_agent_id == home))

    async def forget(self, letta_agent_id: str, person_id: str) -> None:
        """Delete the home with its contents, in Letta first, so that an interrupted deletion is repeated.

        The owner's home is the assistant itself: its contents are forgotten piece by piece.
        """
        if lives_in_the_assistant(person_id):
            return
        async with self._locks[letta_agent_id, person_id]:
            known = await self.home(letta_agent_id, person_id)
            there = await self._letta.find_homes(letta_agent_id, person_id)
            for home in {*there, *filter(None, (known,))}:
                await self._letta.delete_agent(home)
                await self.lost(letta_agent_id, person_id, home)

    async def _keep(self, letta_agent_id: str, person_id: str, home: str) -> str:
        row = {"letta_agent_id": letta_agent_id, "person_id": person_id, "home_agent_id": home}
        async with self._database.begin() as connection:
            await connection.execute(insert_if_absent(self._database, homes, row))
            await connection.execute(
                update(homes)
                .where(_of(letta_agent_id, person_id), homes.c.home_agent_id.is_(None))
                .values(home_agent_id=home)
            )
        kept = await self._row(letta_agent_id, person_id)
        return str(kept.home_agent_id)

    async def _row(self, letta_agent_id: str, person_id: str) -> Any:
        async with self._database.read() as connection:
            return (await connection.execute(select(homes).where(_of(letta_agent_id, person_id)))).one_or_none()


def _of(letta_agent_id: str, person_id: str) -> ColumnElement[bool]:
    return and_(homes.c.letta_agent_id == letta_agent_id, homes.c.person_id == person_id)
