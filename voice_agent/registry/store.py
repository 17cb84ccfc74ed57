"""SQL stores of the registry: the same statements for SQLite and Postgres."""

from __future__ import annotations

import builtins
from collections.abc import Collection
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, select, update

from voice_agent.contracts import Role
from voice_agent.registry.model import Agent, AgentDraft, Kind, OwnMemory, Person, Profile, Session, StoredPerson
from voice_agent.registry.tables import agents, deletions, own_memories, people, profiles, sessions, sign_ins
from voice_agent.storage.database import Database, insert_if_absent

_OWN: Final = and_(
    own_memories.c.agent_id == agents.c.id,
    own_memories.c.letta_agent_id == agents.c.letta_agent_id,
    own_memories.c.leaving.is_(False),
)
_SAVED: Final = select(agents, own_memories.c.agent_id.is_not(None).label("own_memory")).join_from(
    agents, own_memories, _OWN, isouter=True
)


class SqlAgentStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> list[Agent]:
        query = _SAVED.where(agents.c.deleted_at.is_(None)).order_by(agents.c.name, agents.c.id)
        async with self._database.read() as connection:
            return [_agent(row) for row in await connection.execute(query)]

    async def get(self, agent_id: str) -> Agent | None:
        async with self._database.read() as connection:
            row = (await connection.execute(_SAVED.where(_alive(agent_id)))).one_or_none()
        return None if row is None else _agent(row)

    async def met(self, agent_id: str | None = None) -> builtins.list[Agent]:
        newest = func.row_number().over(
            partition_by=sessions.c.agent_id, order_by=(sessions.c.created_at.desc(), sessions.c.id)
        )
        implicit = select(sessions.c.agent_id, sessions.c.agent_name, newest.label("age")).where(
            sessions.c.agent_id == sessions.c.letta_agent_id
        )
        if agent_id is not None:
            implicit = implicit.where(sessions.c.agent_id == agent_id)
        named = implicit.subquery()
        query = select(named.c.agent_id, named.c.agent_name).where(named.c.age == 1)
        async with self._database.read() as connection:
            found = await connection.execute(query.order_by(named.c.agent_name, named.c.agent_id))
            return [Agent(row[0], Kind.LETTA, row[1], "", row[0], available=False) for row in found]

    async def is_taken(self, agent_id: str) -> bool:
        async with self._database.read() as connection:
            return (await connection.scalar(select(agents.c.id).where(agents.c.id == agent_id))) is not None

    async def add(self, agent_id: str, draft: AgentDraft, now: float) -> Agent | None:
        row = {**asdict(draft), "id": agent_id, "version": 1, "created_at": now, "updated_at": now}
        async with self._database.begin() as connection:
            if not (await connection.execute(insert_if_absent(self._database, agents, row))).rowcount:
                return None
            return _agent((await connection.execute(_SAVED.where(_alive(agent_id)))).one())

    async def replace(self, agent_id: str, draft: AgentDraft, version: int, now: float) -> Agent | None:
        change = (
            update(agents)
            .where(_alive(agent_id), agents.c.version == version)
            .values(**asdict(draft), version=version + 1, updated_at=now)
        )
        async with self._database.begin() as connection:
            if not (await connection.execute(change)).rowcount:
                return None
            return _agent((await connection.execute(_SAVED.where(_alive(agent_id)))).one())

    async def remove(self, agent_id: str, version: int | None, now: float, *, forget: bool = False) -> bool:
        change = update(agents).where(_alive(agent_id)).values(deleted_at=now)
        if version is not None:
            change = change.where(agents.c.version == version)
        mine = own_memories.c.agent_id == agent_id
        # One that is still being made holds nothing that could be kept.
        kept = delete(own_memories).where(mine, own_memories.c.letta_agent_id.is_not(None))
        async with self._database.begin() as connection:
            if not (await connection.execute(change)).rowcount:
                return False
            if not forget:
                await connection.execute(kept)
            await connection.execute(update(own_memories).where(mine).values(leaving=True, changed_at=now))
            return True


class SqlOwnMemoryStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def assistants(self) -> frozenset[str]:
        async with self._database.read() as connection:
            return frozenset(await connection.scalars(select(own_memories.c.agent_id)))

    async def begin(self, agent_id: str, now: float) -> OwnMemory:
        row = {"agent_id": agent_id, "letta_agent_id": None, "leaving": False, "changed_at": now}
        mine = own_memories.c.agent_id == agent_id
        async with self._database.begin() as connection:
            await connection.execute(insert_if_absent(self._database, own_memories, row))
            await connection.execute(
                update(own_memories).where(mine, own_memories.c.leaving.is_(False)).values(changed_at=now)
            )
            return _own((await connection.execute(select(own_memories).where(mine))).one())

    async def settle(self, agent_id: str, letta_agent_id: str) -> str | None:
        mine = and_(own_memories.c.agent_id == agent_id, own_memories.c.leaving.is_(False))
        change = update(own_memories).where(mine, own_memories.c.letta_agent_id.is_(None))
        async with self._database.begin() as connection:
            await connection.execute(change.values(letta_agent_id=letta_agent_id))
            kept: str | None = await connection.scalar(select(own_memories.c.letta_agent_id).where(mine))
            return kept

    async def lost(self, agent_id: str, letta_agent_id: str) -> None:
        mine = own_memories.c.agent_id == agent_id, own_memories.c.letta_agent_id == letta_agent_id
        async with self._database.begin() as connection:
            await connection.execute(update(own_memories).where(*mine).values(letta_agent_id=None))

    async def abandon(self, before: float, now: float) -> None:
        """Let those leave whose assistant was never saved: noted before this time, and not used since."""
        saved = select(agents.c.id).where(agents.c.deleted_at.is_(None))
        change = update(own_memories).where(own_memories.c.changed_at < before, own_memories.c.agent_id.not_in(saved))
        async with self._database.begin() as connection:
            await connection.execute(change.values(leaving=True, changed_at=now))

    async def leaving(self) -> list[OwnMemory]:
        query = select(own_memories).where(own_memories.c.leaving).order_by(own_memories.c.agent_id)
        async with self._database.read() as connection:
            return [_own(row) for row in await connection.execute(query)]

    async def gone(self, agent_id: str) -> None:
        """It was deleted in Letta."""
        where = own_memories.c.agent_id == agent_id, own_memories.c.leaving
        async with self._database.begin() as connection:
            await connection.execute(delete(own_memories).where(*where))


class SqlSessionStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, session_id: str) -> Session | None:
        return await self._one(sessions.c.id == session_id)

    async def by_secret_hash(self, secret_hash: str) -> Session | None:
        return await self._one(sessions.c.secret_hash == secret_hash)

    async def _one(self, which: ColumnElement[bool]) -> Session | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(sessions).where(which))).one_or_none()
        return None if row is None else session_of(row)

    async def add(self, session: Session) -> None:
        row = asdict(session)
        row.update(row.pop("person"))
        async with self._database.begin() as connection:
            await connection.execute(insert(sessions).values(row))

    async def list(self, *, limit: int, before: float | None) -> builtins.list[Session]:
        query = select(sessions).order_by(sessions.c.created_at.desc()).limit(limit)
        if before is not None:
            query = query.where(sessions.c.created_at < before)
        async with self._database.read() as connection:
            return [session_of(row) for row in await connection.execute(query)]

    async def some(self, session_ids: Collection[str]) -> dict[str, Session]:
        async with self._database.read() as connection:
            rows = await connection.execute(select(sessions).where(sessions.c.id.in_(session_ids)))
            return {row.id: session_of(row) for row in rows}

    async def renew_secret(self, session_id: str, secret_hash: str) -> None:
        change = update(sessions).where(sessions.c.id == session_id).values(secret_hash=secret_hash)
        async with self._database.begin() as connection:
            await connection.execute(change)

    async def rebind(self, session: Session) -> None:
        bound = {key: getattr(session, key) for key in ("agent_id", "agent_name", "letta_agent_id", "config")}
        async with self._database.begin() as connection:
            await connection.execute(update(sessions).where(sessions.c.id == session.id).values(**bound))

    async def assign(self, session_id: str, person_id: str) -> None:
        change = update(sessions).where(sessions.c.id == session_id, sessions.c.person_id == "")
        async with self._database.begin() as connection:
            await connection.execute(change.values(person_id=person_id))

    async def touch(self, session_id: str, now: float) -> None:
        alive = (sessions.c.id == session_id, sessions.c.ended_at.is_(None))
        change = update(sessions).where(*alive).values(last_human_at=now)
        async with self._database.begin() as connection:
            await connection.execute(change)

    async def end(self, session_id: str, now: float) -> bool:
        change = update(sessions).where(sessions.c.id == session_id, sessions.c.ended_at.is_(None)).values(ended_at=now)
        async with self._database.begin() as connection:
            return (await connection.execute(change)).rowcount == 1

    async def of_room(self, room_name: str) -> frozenset[str]:
        query = select(sessions.c.id).where(sessions.c.room_name == room_name)
        async with self._database.read() as connection:
            return frozenset(await connection.scalars(query))

    async def over(self, session_ids: Collection[str]) -> frozenset[str]:
        query = select(sessions.c.id).where(sessions.c.id.in_(session_ids), sessions.c.ended_at.is_(None))
        async with self._database.read() as connection:
            return frozenset(session_ids) - frozenset(await connection.scalars(query))


class SqlPeopleStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, person: StoredPerson) -> None:
        async with self._database.begin() as connection:
            await connection.execute(insert(people).values(asdict(person)))

    async def by_key_hash(self, key_hash: str) -> StoredPerson | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(people).where(people.c.key_hash == key_hash))).one_or_none()
        return None if row is None else StoredPerson(**row._mapping)

    async def revoke(self, person_id: str, now: float) -> bool:
        change = update(people).where(people.c.person_id == person_id, people.c.revoked_at.is_(None))
        async with self._database.begin() as connection:
            return (await connection.execute(change.values(revoked_at=now))).rowcount == 1

    async def profile(self, person_id: str) -> Profile:
        async with self._database.read() as connection:
            name = await connection.scalar(select(profiles.c.user_name).where(profiles.c.person_id == person_id))
            key = (await connection.execute(select(people).where(people.c.person_id == person_id))).one_or_none()
            going = await connection.scalar(select(deletions.c.asked_at).where(deletions.c.person_id == person_id))
        return Profile(
            person_id=person_id,
            user_name=name or "",
            known_since=key.created_at if key else None,
            has_key=key is not None and key.revoked_at is None,
            being_deleted=going is not None,
        )

    async def set_name(self, person_id: str, user_name: str, now: float) -> None:
        mine = profiles.c.person_id == person_id
        going_on = (sessions.c.person_id == person_id) & sessions.c.ended_at.is_(None)
        row = {"person_id": person_id, "user_name": user_name, "updated_at": now}
        async with self._database.begin() as connection:
            if user_name:
                await connection.execute(insert_if_absent(self._database, profiles, row))
                await connection.execute(update(profiles).where(mine).values(row))
            else:
                await connection.execute(delete(profiles).where(mine))
            await connection.execute(update(sessions).where(going_on).values(user_name=user_name))

    async def is_known(self, person_id: str) -> bool:
        async with self._database.read() as connection:
            for table in (people, profiles, sessions, sign_ins, deletions):
                query = select(table.c.person_id).where(table.c.person_id == person_id).limit(1)
                if await connection.scalar(query) is not None:
                    return True
        return False


def _alive(agent_id: str) -> ColumnElement[bool]:
    return (agents.c.id == agent_id) & agents.c.deleted_at.is_(None)


def _agent(row: Row[Any]) -> Agent:
    return Agent(
        id=row.id,
        kind=Kind.SAVED,
        name=row.name,
        description=row.description,
        letta_agent_id=row.letta_agent_id,
        role=Role(row.role),
        config=row.config,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        own_memory=row.own_memory,
    )


def _own(row: Row[Any]) -> OwnMemory:
    return OwnMemory(row.agent_id, row.letta_agent_id, row.leaving)


def session_of(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        secret_hash=row.secret_hash,
        room_name=row.room_name,
        identity=row.identity,
        agent_id=row.agent_id,
        agent_name=row.agent_name,
        letta_agent_id=row.letta_agent_id,
        person=Person(Role(row.role), row.business_id, row.user_id, row.user_name, row.user_email),
        config=row.config,
        created_at=row.created_at,
        last_human_at=row.last_human_at,
        ended_at=row.ended_at,
        person_id=row.person_id,
    )
