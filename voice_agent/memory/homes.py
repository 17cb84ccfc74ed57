"""Homes: the Letta agent that keeps what one assistant knows of one person.

Letta's own tools search everything of an agent, whichever conversation it was said in. So each person has an agent of
their own, a copy of the assistant that is made at the first need. The owner lives in the assistant's own.
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
"""The one person of a system that asks nobody who they are (registry/people.py)."""


def lives_in_the_assistant(person_id: str) -> bool:
    """Whose home is the assistant's own agent: the owner, and whoever is nobody in particular."""
    return person_id in ("", OWNER)


class Homes:
    def __init__(self, database: Database, letta: LettaPort) -> None:
        self._database = database
        self._letta = letta
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def home(self, letta_agent_id: str, person_id: str) -> str | None:
        """Without asking Letta. None: there is none yet."""
        if lives_in_the_assistant(person_id):
            return letta_agent_id
        row = await self._row(letta_agent_id, person_id)
        return row.home_agent_id if row is not None else None

    async def lives_in(self, home: str) -> tuple[str, str]:
        """Assistant and person of a home; of an assistant's own agent: its owner."""
        query = select(homes.c.letta_agent_id, homes.c.person_id).where(homes.c.home_agent_id == home)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return (row[0], row[1]) if row is not None else (home, OWNER)

    async def ensure(
        self, letta_agent_id: str, person_id: str, name: str = "", copied: Copied = heard_by_everyone
    ) -> str:
        """The home, made now if it has to be: once, whatever crashes and whoever else makes it at the same time.

        The first id that reaches the table stays. One that a crash kept from it is found again by its tag.
        `copied`: the blocks of the assistant that it begins with; without an answer of its own, `sync` adds the others.
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
                    # Another process was quicker; nobody was ever told of this one, so it holds nothing.
                    await self._letta.delete_agent(superfluous)
            return kept

    async def sync(self, letta_agent_id: str, person_id: str, blocks_version: str, copied: Copied) -> None:
        """Give the home the blocks of the assistant that are `copied`, as they are now, and no others of it; nothing to
        do for one that is up to date."""
        row = await self._row(letta_agent_id, person_id)
        if row is None or row.home_agent_id is None or row.blocks_version == blocks_version:
            return
        await self._letta.sync_home_blocks(letta_agent_id, row.home_agent_id, copied)
        async with self._database.begin() as connection:
            where = (_of(letta_agent_id, person_id), homes.c.home_agent_id == row.home_agent_id)
            await connection.execute(update(homes).where(*where).values(blocks_version=blocks_version))

    async def lost(self, letta_agent_id: str, person_id: str, home: str) -> None:
        """Somebody deleted this home in Letta: the next need makes another one."""
        if not lives_in_the_assistant(person_id):
            async with self._database.begin() as connection:
                await connection.execute(
                    delete(homes).where(_of(letta_agent_id, person_id), homes.c.home_agent_id == home)
                )
                await connection.execute(delete(threads).where(threads.c.letta_agent_id == home))
                await connection.execute(delete(snapshots).where(snapshots.c.letta_agent_id == home))

    async def forget(self, letta_agent_id: str, person_id: str) -> None:
        """Delete the home with all that is in it, in Letta first, so that what was cut short is done again.

        The owner's is the assistant itself: what it holds is forgotten piece by piece.
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
