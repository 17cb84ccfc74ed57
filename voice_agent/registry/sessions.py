"""Session registry: the secret that resumes a session, its validity, its end. Its public fields open nothing."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from voice_agent.errors import Code, Permanent
from voice_agent.registry.model import Agent, Person, Session
from voice_agent.registry.ports import SessionStore


@dataclass(frozen=True, slots=True)
class Opened:
    session: Session
    secret: str

    def of_person(self, person_id: str, user_name: str = "") -> Opened:
        """`user_name`: the name that is kept of the person; one that was given for the session goes before it."""
        person = self.session.person
        named = person if person.user_name else replace(person, user_name=user_name)
        return replace(self, session=replace(self.session, person_id=person_id, person=named))

    def in_room(self, name: str) -> Session:
        """The session in the room found for it, which may have existed before."""
        return replace(self.session, room_name=name)


class SessionRegistry:
    def __init__(self, store: SessionStore, clock: Callable[[], float], validity: float) -> None:
        self._store = store
        self._clock = clock
        self._validity = validity

    def draft(self, agent: Agent, person: Person, config: dict[str, Any], room_name: str) -> Opened:
        """A new session, not stored yet: its room has to exist first."""
        now = self._clock()
        secret = secrets.token_urlsafe(32)
        session_id = secrets.token_hex(12)
        session = Session(
            id=session_id,
            secret_hash=_hash(secret),
            room_name=room_name,
            identity=f"human-{secrets.token_hex(6)}",
            agent_id=agent.id,
            agent_name=agent.name,
            letta_agent_id=agent.letta_agent_id,
            person=person,
            config=config,
            created_at=now,
            last_human_at=now,
        )
        return Opened(session, secret)

    async def store(self, session: Session) -> None:
        await self._store.add(session)

    async def rebind(self, session: Session) -> None:
        await self._store.rebind(session)

    async def assign(self, session: Session, person_id: str) -> Session:
        """Sets the person of a session from a version without people."""
        await self._store.assign(session.id, person_id)
        return replace(session, person_id=person_id)

    async def authorised(self, session_id: str, secret: str) -> Session:
        """An unknown id and a wrong secret get the same answer: ids are public, so they must not confirm anything."""
        session = await self._store.get(session_id)
        known = session.secret_hash if session else _hash("nobody")
        if session is None or not hmac.compare_digest(known, _hash(secret)):
            raise _unknown()
        return session

    async def by_secret(self, secret: str) -> Session | None:
        """The session that this secret opens."""
        wanted = _hash(secret)
        session = await self._store.by_secret_hash(wanted)
        # Looked up by hash: its timing reveals nothing about a secret.
        return session if session is not None and hmac.compare_digest(session.secret_hash, wanted) else None

    async def get(self, session_id: str) -> Session:
        session = await self._store.get(session_id)
        if session is None:
            raise _unknown()
        return session

    async def some(self, session_ids: Collection[str]) -> Mapping[str, Session]:
        """Those that are known, by id."""
        return await self._store.some(session_ids)

    async def of_person(self, session_id: str, person_id: str) -> Session:
        """The session, if it is this person's. One of somebody else gets the same answer as one that is not known."""
        session = await self._store.get(session_id)
        if session is None or not person_id or session.person_id != person_id:
            raise _unknown()
        return session

    async def renew_secret(self, session: Session) -> Opened:
        """Another secret, in place of the one before: its holder loses the session."""
        secret = secrets.token_urlsafe(32)
        renewed = replace(session, secret_hash=_hash(secret))
        await self._store.renew_secret(session.id, renewed.secret_hash)
        return Opened(renewed, secret)

    async def list(self, limit: int, before: float | None) -> list[Session]:
        return await self._store.list(limit=limit, before=before)

    def expires_at(self, session: Session) -> float:
        return session.ended_at if session.ended_at is not None else session.last_human_at + self._validity

    def is_over(self, session: Session) -> bool:
        """It was ended, or has expired."""
        return session.ended_at is not None or self._clock() > self.expires_at(session)

    def require_alive(self, session: Session) -> None:
        if self.is_over(session):
            raise Permanent(
                Code.SESSION_EXPIRED,
                "This session is over: nobody was there for too long, or it was ended.",
                "Open a new session.",
            )

    async def touch(self, session_id: str) -> None:
        await self._store.touch(session_id, self._clock())

    async def end(self, session_id: str) -> None:
        await self._store.end(session_id, self._clock())


def _hash(secret: str) -> str:
    # A random 256-bit secret needs no slow hash; the stored value must only not be usable as a secret.
    return hashlib.sha256(secret.encode()).hexdigest()


def _unknown() -> Permanent:
    return Permanent(Code.SESSION_NOT_FOUND, "This session is not known.", "Open a new session.")
