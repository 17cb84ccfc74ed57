"""Session service: opens, resumes, renews, switches and ends sessions, with the registry, the rooms and LiveKit."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import ValidationError

from voice_agent.contracts import (
    ControlMessage,
    HumanAttribute,
    JobMetadata,
    MemoryScope,
    Role,
    RoomMetadata,
    RoomPolicy,
)
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.languages import ENGLISH
from voice_agent.registry.agents import AgentRegistry
from voice_agent.registry.binding import binding_of, stored_config
from voice_agent.registry.config import AgentConfig, deep_merge, mistake_in
from voice_agent.registry.model import Agent, Person, Session
from voice_agent.registry.people import Credentials, Identified, People, outlives_session
from voice_agent.registry.roles import RoleWords
from voice_agent.registry.sessions import SessionRegistry
from voice_agent.rooms.livekit import LiveKit
from voice_agent.rooms.person_rows import Caller
from voice_agent.rooms.policy import BY_ROLE, RoomKeyParts
from voice_agent.rooms.repository import RoomRecord, RoomRepository
from voice_agent.web.errors import malformed_part

_AT_ONCE: Final = 8
"""Sessions opened concurrently. Further requests queue here, not at Letta and the database, where each has a
deadline."""


@dataclass(frozen=True, slots=True)
class TokenSource:
    """A client of LiveKit's token sources. It asks for a token when its page is loaded, perhaps never joins, and may
    use the token for many calls, which then cannot be told apart."""

    metadata: str = ""
    """Of the participant, for other clients: nothing here reads it."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """The same."""


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """Request for a session, after the caller's rights were checked."""

    person: Person
    credentials: Credentials
    proved: bool = False
    """The caller may enter rooms that several people share."""
    role_words: RoleWords | None = None
    agent_id: str | None = None
    overrides: Mapping[str, Any] | None = None
    session_id: str | None = None
    secret: str = ""
    token_ttl: float | None = None
    """None: VOICE_TOKEN_TTL."""
    call_id: str = ""
    """Id of the call that a reconnecting client continues; empty: the user pressed "connect"."""
    agent_name: str = ""
    """Id or name of the agent, where no `agent_id` is given."""
    token_source: TokenSource | None = None
    """None: the caller joins at once, for one call."""


@dataclass(frozen=True, slots=True)
class Token:
    jwt: str
    ttl: int
    """Validity in seconds."""
    call_id: str


@dataclass(frozen=True, slots=True)
class SessionGrant:
    session: Session
    secret: str
    token: Token
    resumed: bool
    notice: Permanent | None
    """Why the requested session was not resumed, or why the browser key does not count."""
    browser_key: str = ""
    """A new key, for the caller to keep and send from now on; empty: none."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A session that the caller may resume."""

    session: Session
    secret: str
    """Empty: it was opened by its person, without its secret."""


class SessionService:
    def __init__(
        self,
        agents: AgentRegistry,
        sessions: SessionRegistry,
        people: People,
        repository: RoomRepository,
        livekit: LiveKit,
        wake: Callable[[str], None],
        read_ahead: Callable[[JobMetadata], None],
        language: str = ENGLISH.code,
    ) -> None:
        """`wake`: called with a room that needs an agent; `read_ahead`: with the job that this agent will have;
        `language`: of assistants that have none of their own."""
        self._agents = agents
        self._sessions = sessions
        self._people = people
        self._repository = repository
        self._livekit = livekit
        self._wake = wake
        self._read_ahead = read_ahead
        self._language = language
        self._doors = asyncio.Semaphore(_AT_ONCE)

    async def open(self, asked: SessionRequest) -> SessionGrant:
        """Resumes the session that is asked for, if it is still valid and has the same assistant; else opens a new one.
        In place of one that is over, the new one knows what was said there."""
        if asked.agent_name and asked.agent_id is None:
            asked = replace(asked, agent_id=(await self._agents.named(asked.agent_name)).id)
        refusal: Permanent | None = None
        known: _Known | None = None
        if asked.session_id is not None:
            try:
                known = await self._known(asked, asked.session_id)
                if asked.agent_id in (None, known.session.agent_id):
                    return await self._resume(asked, known)
            except Permanent as error:
                if error.code not in (Code.SESSION_NOT_FOUND, Code.SESSION_EXPIRED):
                    raise
                refusal = error
        async with self._doors:
            return await self._open(asked, refusal, known.session if known else None)

    async def renew(self, session: Session, ttl: float | None = None, call_id: str = "") -> Token:
        """A new token for a session whose token expired; raises if the session or its room is over."""
        await self._reenter(session)
        return self._token(session, ttl, call_id or _new_call())

    async def end(self, session: Session) -> None:
        await self._sessions.end(session.id)
        await self._livekit.remove_participant(session.room_name, session.identity)
        record = await self._repository.get(session.room_name)
        if record is not None and record.policy is RoomPolicy.SESSION:
            await self._repository.end(session.room_name)
            await self._livekit.delete_room(session.room_name)

    async def remove(self, callers: Iterable[Caller]) -> None:
        """Callers whose sessions were ended. The monitor removes who stays because LiveKit does not answer."""
        with suppress(VoiceAgentError):
            for caller in callers:
                await self._livekit.remove_participant(caller.room, caller.identity)
                if caller.own_room:
                    await self._livekit.delete_room(caller.room)

    async def switch(self, session: Session, agent_id: str, role_words: RoleWords | None, *, proved: bool) -> Session:
        """Makes another assistant answer in this session and room from now on. The people there hear it take over."""
        self._sessions.require_alive(session)
        record = await self._repository.expect(session.room_name)
        if record is None:
            raise _room_closed()
        if record.policy is not RoomPolicy.SESSION and not proved:
            raise _shared()
        agent = await self._agents.bind(agent_id)
        config = config_of(agent)
        scope = memory_scope_for(config.memory_scope, record.policy, session.person_id)
        job = record.job.model_copy(update={"agent": binding_of(agent, config, role_words, scope, self._language)})
        switched = replace(
            session, agent_id=agent.id, agent_name=agent.name, letta_agent_id=agent.letta_agent_id,
            config=config.document(),
        )  # fmt: skip
        # Stored first: an agent that has to be replaced meanwhile is then replaced by the right one.
        await self._repository.rebind(record.name, job)
        await self._sessions.rebind(switched)
        await self._livekit.order(record.name, ControlMessage(act="switch_agent", agent=job.agent))
        return switched

    async def _known(self, asked: SessionRequest, session_id: str) -> _Known:
        """The session, opened by its secret or by the person whose it is."""
        if asked.secret:
            try:
                return _Known(await self._sessions.authorised(session_id, asked.secret), asked.secret)
            except Permanent as error:
                # The person may have resumed it elsewhere, which gave it another secret.
                if error.code is not Code.SESSION_NOT_FOUND:
                    raise
        session = await self._sessions.of_person(session_id, await self._people.proven(asked.credentials))
        return _Known(session, "")

    async def _resume(self, asked: SessionRequest, known: _Known) -> SessionGrant:
        session, secret = known.session, known.secret
        if not secret:
            await self._require_proof(asked, session)
        record = await self._reenter(session, joins_now=asked.token_source is None)
        if not secret:
            renewed = await self._sessions.renew_secret(session)
            session, secret = renewed.session, renewed.secret
        who = Identified(session.person_id)
        if not session.person_id:  # opened by a version without people
            person = session.person
            credentials = replace(asked.credentials, business_id=person.business_id, user_id=person.user_id)
            who = await self._people.identify(credentials, session.id)
            session = await self._sessions.assign(session, who.person_id)
        await self._keep_current(record, session)
        token = self._token(session, asked.token_ttl, _call_of(asked), asked.token_source)
        return SessionGrant(session, secret, token, True, who.notice, who.new_key)

    async def _require_proof(self, asked: SessionRequest, session: Session) -> None:
        """Without its secret, a session is resumed with no more rights than a new one would have."""
        record = await self._repository.get(session.room_name)
        several = record is not None and record.policy is not RoomPolicy.SESSION
        if not asked.proved and (several or session.person.role is Role.OWNER):
            raise _shared()

    async def _keep_current(self, record: RoomRecord, session: Session) -> None:
        """Stores the person and their name for the next agent of the room."""
        person = {"person_id": record.job.person_id or session.person_id, "user_name": session.person.user_name}
        job = record.job.model_copy(update=person)
        if job.session_id == session.id and job != record.job:
            await self._repository.rebind(record.name, job)

    async def _reenter(self, session: Session, *, joins_now: bool = True) -> RoomRecord:
        self._sessions.require_alive(session)
        record = await self._repository.expect(session.room_name, joins_now=joins_now)
        if record is None:
            raise _room_closed()
        await self._livekit.create_room(session.room_name, await self._metadata(record.policy))
        await self._sessions.touch(session.id)
        self._wake(session.room_name)
        return record

    async def _open(self, asked: SessionRequest, refusal: Permanent | None, before: Session | None) -> SessionGrant:
        """`before`: the session that was asked for, in place of which this one is opened."""
        agent = await self._agent(asked)
        config = config_of(agent, asked.overrides or {})
        policy = config.room_policy or BY_ROLE[asked.person.role]
        if policy is not RoomPolicy.SESSION and not asked.proved:
            raise _shared()
        if policy is RoomPolicy.SHARED and not asked.person.business_id:
            raise Permanent(
                Code.BUSINESS_REQUIRED,
                "The room of this agent is shared by the people of a business, and no business was named.",
                "Name it: business_id, or the claim of that name in the assertion.",
            )
        opened = self._sessions.draft(agent, asked.person, config.document(), f"va-{secrets.token_hex(10)}")
        who = await self._people.identify(asked.credentials, opened.session.id)
        opened = opened.of_person(who.person_id, (await self._people.welcome(who.person_id)).user_name)
        session = opened.session
        scope = memory_scope_for(config.memory_scope, policy, session.person_id)
        job = JobMetadata(
            room_name=session.room_name,
            session_id=session.id,
            policy=policy,
            agent=binding_of(agent, config, asked.role_words, scope, self._language),
            role=asked.person.role,
            business_id=asked.person.business_id,
            user_id=asked.person.user_id,
            user_name=session.person.user_name,
            person_id=session.person_id,
            continues=before.id if before and policy is RoomPolicy.SESSION and _goes_on(before, session) else "",
        )
        parts = RoomKeyParts(session.id, agent.id, asked.person.business_id, asked.person.user_id)
        record = await self._repository.open(policy, parts, job, joins_now=asked.token_source is None)
        session = opened.in_room(record.name)
        await self._livekit.create_room(record.name, await self._metadata(policy))
        await self._sessions.store(session)
        self._wake(session.room_name)
        if asked.token_source is None:  # else the person comes later
            self._read_ahead(job)
        token = self._token(session, asked.token_ttl, _call_of(asked), asked.token_source)
        return SessionGrant(session, opened.secret, token, False, who.notice or refusal, who.new_key)

    async def _agent(self, asked: SessionRequest) -> Agent:
        if asked.agent_id:
            return await self._agents.bind(asked.agent_id)
        return await (self._agents.default_or_first() if asked.token_source else self._agents.default())

    async def _metadata(self, policy: RoomPolicy) -> RoomMetadata:
        return RoomMetadata(installation=await self._repository.installation(), policy=policy)

    def _token(self, session: Session, wanted: float | None, call_id: str, source: TokenSource | None = None) -> Token:
        """Names its session, so that an ended session is not served while the token is valid, and its call, so that a
        participant who leaves and returns with the same call id counts as reconnected."""
        person = session.person
        ttl = min(wanted or self._livekit.longest_token, self._livekit.longest_token)
        attributes = {
            HumanAttribute.ROLE: person.role,
            HumanAttribute.BUSINESS_ID: person.business_id,
            HumanAttribute.USER_ID: person.user_id,
            HumanAttribute.USER_NAME: person.user_name,
            HumanAttribute.PERSON_ID: session.person_id,
            HumanAttribute.SESSION_ID: session.id,
            HumanAttribute.CALL_ID: call_id,
        }
        told = source or TokenSource()
        present = {**told.attributes, **{str(key): str(value) for key, value in attributes.items() if value}}
        jwt = self._livekit.token(
            session.room_name, session.identity, person.user_name, present, ttl, metadata=told.metadata
        )
        return Token(jwt, int(ttl), call_id)


def config_of(agent: Agent, overrides: Mapping[str, Any] | None = None) -> AgentConfig:
    if not overrides:
        return stored_config(agent)
    try:
        config = AgentConfig.model_validate(deep_merge(agent.config, overrides))
    except ValidationError as error:
        raise malformed_part(error, "body", "agent_config") from error
    if mistake := mistake_in(config):
        if "providers" in overrides or "language" in overrides:
            raise Permanent(Code.BAD_REQUEST, mistake[0], "Correct it in agent_config.")
        raise Permanent(Code.PROVIDER_UNAVAILABLE, mistake[0], "Correct it in the configuration of the assistant.")
    return config


def _goes_on(before: Session, session: Session) -> bool:
    same = (before.agent_id, before.person_id) == (session.agent_id, session.person_id)
    return same and outlives_session(session.person_id)


def _call_of(asked: SessionRequest) -> str:
    return "" if asked.token_source else asked.call_id or _new_call()


def _new_call() -> str:
    return secrets.token_hex(8)


def _room_closed() -> Permanent:
    return Permanent(Code.SESSION_EXPIRED, "The room of this session is closed.", "Open a new session.")


def _shared() -> Permanent:
    return Permanent(Code.FORBIDDEN, "This agent's room is shared.", "Prove who you are with a signed assertion.")


def memory_scope_for(configured: MemoryScope | None, policy: RoomPolicy, person_id: str) -> MemoryScope:
    """Scope of memory: personal, unless the configuration forbids it or the person cannot be recognised later.

    In a room of several people this is the rule for all of them; each turn is then decided by its speaker.
    """
    if configured is MemoryScope.READ_ONLY:
        return MemoryScope.READ_ONLY
    if policy is RoomPolicy.SESSION and not outlives_session(person_id):
        return MemoryScope.READ_ONLY
    return MemoryScope.PERSONAL
