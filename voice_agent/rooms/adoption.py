"""Adoption of rooms that others made, with own tokens, LiveKit's API or a dispatch to our workers' name.

An adopted room has a record and a lease like one of ours, so that the monitor keeps exactly one agent in it. Its people
are strangers, who are never removed; the room stays its maker's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from pydantic import ValidationError

from voice_agent.contracts import JobMetadata, LogEvent, MemoryScope, RoomPolicy
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.observe.log import ReconnectLog
from voice_agent.registry.agents import AgentRegistry
from voice_agent.registry.binding import binding_of, stored_config
from voice_agent.registry.model import Agent, Person
from voice_agent.registry.people import PersonKind
from voice_agent.registry.ports import LettaDirectory
from voice_agent.registry.sessions import SessionRegistry
from voice_agent.registry.store import SqlAgentStore, SqlOwnMemoryStore, SqlSessionStore
from voice_agent.rooms.leases import Leases
from voice_agent.rooms.livekit import Dispatched, LiveKit, LiveRoom
from voice_agent.rooms.policy import RoomKeyParts
from voice_agent.rooms.repository import RoomRepository
from voice_agent.rooms.wish import is_ours, wish_in, wished
from voice_agent.settings import Settings
from voice_agent.storage.database import Database

MAX_NAME: Final = 64
"""Characters of a room's name in the database."""


class Adoption:
    def __init__(
        self,
        settings: Settings,
        database: Database,
        agents: AgentRegistry,
        livekit: LiveKit,
        log: ReconnectLog,
        clock: Callable[[], float],
    ) -> None:
        self.on = settings.adopts_rooms
        self._agents = agents
        self._livekit = livekit
        self._log = log
        self._language = settings.language
        self._repository = RoomRepository(database, clock)
        self._leases = Leases(database)
        self._sessions = SessionRegistry(SqlSessionStore(database), clock, settings.session_validity)

    async def of_dispatch(self, room: str, live_room: str, metadata: str) -> JobMetadata:
        """The job that somebody else's dispatch to our workers asks for. Raises if it cannot be served."""
        if not self.on:
            raise Permanent(
                Code.BAD_JOB_METADATA,
                "The dispatch was not made by voice-agent, and rooms of others are not served.",
                "Set VOICE_ADOPT_ROOMS=on for 'voice-agent serve' and its workers.",
            )
        wish = wish_in(metadata)
        job = await self._adopt(room, live_room, await self._agent([wish] if wish else []), sent=True)
        return job.model_copy(update={"lease_epoch": (await self._leases.of([room]))[room].epoch})

    async def of_arrival(self, room: LiveRoom) -> None:
        """Somebody has joined. The room's dispatches say which assistant it asks for; they may not have reached us."""
        found = [one for one in await self._livekit.dispatches(room.name) if not is_ours(one.metadata)]
        sent = any(one.agent_name == self._livekit.agent_name for one in found)
        await self._adopt(room.name, room.sid, await self._agent(self._wishes(found)), sent=sent)

    def _wishes(self, found: Iterable[Dispatched]) -> list[str]:
        named = (wished(one.agent_name, one.metadata, self._livekit.agent_name) for one in found if one.agent_name)
        return [wish for wish in named if wish]

    async def _agent(self, wishes: list[str]) -> Agent:
        """The first that is known. A room that asks for unknown ones only gets none: never another one."""
        refusal: VoiceAgentError | None = None
        for wish in wishes:
            try:
                return await self._agents.named(wish)
            except VoiceAgentError as error:
                refusal = refusal or error
        if refusal is not None:
            raise refusal
        return await self._agents.default_or_first()

    async def _adopt(self, room: str, live_room: str, agent: Agent, *, sent: bool) -> JobMetadata:
        if len(room) > MAX_NAME:
            raise Permanent(
                Code.BAD_REQUEST, f"The room's name has more than {MAX_NAME} characters.", "Give it a shorter one."
            )
        config = stored_config(agent)
        opened = self._sessions.draft(agent, Person(), config.document(), room)
        session = opened.of_person(f"{PersonKind.SESSION}:{opened.session.id}", "").session
        job = JobMetadata(
            room_name=room,
            session_id=session.id,
            policy=RoomPolicy.ADOPTED,
            agent=binding_of(agent, config, None, MemoryScope.READ_ONLY, self._language),
            person_id=session.person_id,
        )
        record = await self._repository.adopt(job, RoomKeyParts(session.id, agent.id, "", "", live_room), sent=sent)
        if record is None:
            raise Permanent(
                Code.CONFLICT,
                "This is a room of voice-agent, whose assistant its session chose.",
                "Dispatch to a room of your own.",
            )
        if record.job.session_id == session.id:
            await self._sessions.store(session)  # for the transcript: nobody has its secret
            log = self._log.bind(room=room, session=session.id, agent=agent.id)
            log.write(LogEvent.ROOM_ADOPTED, agent=agent.name)
        return record.job


def adoption(
    settings: Settings, database: Database, letta: LettaDirectory, livekit: LiveKit, log: ReconnectLog
) -> Adoption:
    """For a worker."""
    memories = SqlOwnMemoryStore(database)
    agents = AgentRegistry(SqlAgentStore(database), memories, letta, time.time, settings.default_agent)
    return Adoption(settings, database, agents, livekit, log, time.time)


async def job_of(metadata: str, room: str, job_id: str, database: Database) -> JobMetadata:
    """Metadata of a job that runs: as dispatched by us, else that of the adopted room whose lease it holds."""
    try:
        return JobMetadata.model_validate_json(metadata)
    except ValidationError:
        record = await RoomRepository(database, time.time).get(room)
        lease = (await Leases(database).of([room])).get(room)
        if record is None or lease is None or lease.job != job_id:
            raise Permanent(Code.LEASE_LOST, "The room belongs to another agent.") from None
        return record.job.model_copy(update={"lease_epoch": lease.epoch - 1})
