"""Job: one VoiceAssistant in one room, in a process of its own."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext, JobProcess

from voice_agent import settings as settings_module
from voice_agent.contracts import AgentAttribute, JobMetadata, LogEvent, RoomPolicy
from voice_agent.conversation.assistant import VoiceAssistant
from voice_agent.conversation.callers import Sessions
from voice_agent.conversation.client_messages import ClientMessages
from voice_agent.conversation.criticality import as_ours
from voice_agent.conversation.providers import build_providers, load_vad
from voice_agent.conversation.speech_session import SpeechSession
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.errors import VoiceAgentError
from voice_agent.lifecycle.events import LeaseLost
from voice_agent.lifecycle.timing import Timing
from voice_agent.memory.access import Memory
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.recall.embedder import HttpEmbedder
from voice_agent.memory.recall.second_look import ChatSecondLook
from voice_agent.observe.log import BoundLog, ReconnectLog
from voice_agent.providers import endpoints
from voice_agent.providers.local_server import CHECK_HEADERS
from voice_agent.registry.store import SqlSessionStore
from voice_agent.rooms.adoption import job_of
from voice_agent.rooms.lease_renewer import LeaseRenewer
from voice_agent.rooms.leases import Health, Lease, Leases, health_of
from voice_agent.rooms.livekit import LiveKit
from voice_agent.rooms.policy import POLICIES
from voice_agent.settings import Settings
from voice_agent.storage.database import Database

_VAD: Final = "vad"
_GOODBYE: Final = 6.0
"""Seconds a job has to store its last turn in the outbox. livekit and the supervisor wait a little longer."""


def prewarm(process: JobProcess) -> None:
    process.userdata[_VAD] = load_vad(settings_module.load().settings.vad_provider)
    # Python collects its oldest generation only when a quarter of all objects is new, which beside all these modules
    # takes a job very long. What is loaded so far is never garbage: frozen, it is neither scanned nor counted.
    gc.freeze()
    gc.collect()


async def entrypoint(context: JobContext) -> None:
    """livekit announces a shutdown only to a job whose entrypoint has returned, so the conversation is a task."""
    conversation = asyncio.get_running_loop().create_task(_job(context), name="job:conversation")

    async def ended() -> None:
        _, late = await asyncio.wait({conversation}, timeout=_GOODBYE)
        if late:
            conversation.cancel()
        await conversation

    context.add_shutdown_callback(ended)


async def _job(context: JobContext) -> None:
    settings = settings_module.load().settings
    database = Database(settings.effective_database_url)
    try:
        job = await job_of(context.job.metadata, context.job.room.name, context.job.id, database)
    except BaseException:
        await database.close()
        context.shutdown()
        raise
    whole = ReconnectLog(settings.reconnect_log, "job", spoken_text=settings.log_spoken_text)
    log = whole.bind(room=job.room_name, session=job.session_id, agent=job.agent.agent_id)
    letta = LettaClient(settings)
    vectors = endpoints.embedding(settings)
    embedder = HttpEmbedder(vectors.base_url, vectors.api_key, vectors.model, version=vectors.version)
    llm_endpoint = endpoints.llm(settings)
    second_look = ChatSecondLook(llm_endpoint, CHECK_HEADERS) if llm_endpoint.local else None
    livekit = LiveKit(settings)
    leases = Leases(database)
    lease = Lease(job.room_name, job.held_epoch, context.job.id)
    try:
        async with _given_back(leases, lease, context.room, log):
            memory = Memory(database, letta, embedder, second_look, settings.outbox_limit)
            of_room = RoomSessions if POLICIES[job.policy].made_by_us else SessionsOfAdopted
            sessions = of_room(SqlSessionStore(database), livekit, job.room_name)
            await _converse(context, settings, job, memory, LeaseRenewer(leases, lease), sessions, log)
    finally:
        await embedder.aclose()
        if second_look is not None:
            await second_look.aclose()
        await letta.close()
        await livekit.close()
        await database.close()
        context.shutdown()


class RoomSessions:
    """The sessions of one room: which exist, which are over, and the removal of a participant."""

    def __init__(self, store: SqlSessionStore, livekit: LiveKit, room: str) -> None:
        self._store = store
        self._livekit = livekit
        self._room = room

    async def all(self) -> frozenset[str]:
        return await self._store.of_room(self._room)

    async def over(self, session_ids: Collection[str]) -> frozenset[str]:
        return await self._store.over(session_ids)

    async def remove(self, identity: str) -> None:
        await self._livekit.remove_participant(self._room, identity)


class SessionsOfAdopted(RoomSessions):
    """Of a room that others made: whatever session a token of theirs names, its holder is a caller."""

    async def over(self, session_ids: Collection[str]) -> frozenset[str]:
        return frozenset()


@asynccontextmanager
async def _given_back(leases: Leases, lease: Lease, room: rtc.Room, log: BoundLog) -> AsyncIterator[None]:
    """Release the lease at the end, so that the room is free for another agent; it says why this one failed."""
    health = Health()
    try:
        yield
    except Exception as error:
        failure = health_of(as_ours("job", error))
        log.write(LogEvent.NOTICE, severity="error", code=failure.failed, message=failure.why)
        if room.isconnected():  # else the connection failed, not this agent
            health = failure
        raise
    finally:
        await leases.release(lease, health)


async def _enter(context: JobContext) -> None:
    await context.connect(auto_subscribe=AutoSubscribe.SUBSCRIBE_NONE)


async def _speech(context: JobContext, settings: Settings, job: JobMetadata, renewer: LeaseRenewer) -> SpeechSession:
    build = partial(build_providers, settings, context.proc.userdata[_VAD])
    try:
        return SpeechSession(context.room, build, job.agent.providers, renewer.may_speak, settings.noise_suppression)
    except VoiceAgentError:
        await _enter(context)  # that an agent fails is noticed when it leaves its room
        raise


async def _open(context: JobContext, assistant: VoiceAssistant, beside: OwnedTasks) -> None:
    """Memory is loaded, and the speech session started, while the room is entered."""
    entering = beside.start("connect", _enter(context)), beside.start("listen", assistant.listen())
    try:
        await assistant.open()
        await asyncio.gather(*entering)
    except BaseException as error:
        if isinstance(error, Exception):
            await asyncio.wait(entering)  # that an agent fails is noticed when it leaves its room
        await beside.stop()
        await assistant.close()
        raise


async def _converse(
    context: JobContext,
    settings: Settings,
    job: JobMetadata,
    memory: Memory,
    renewer: LeaseRenewer,
    sessions: Sessions,
    log: BoundLog,
) -> None:
    assistant = VoiceAssistant(
        context.room,
        job,
        await _speech(context, settings, job, renewer),
        memory,
        log,
        sessions,
        timing=Timing(
            departure=None if job.policy is RoomPolicy.RESIDENT else settings.idle_timeout,
            quiet=settings.quiet_after,
        ),
        greet=settings.greeting,
        memory_refresh=settings.memory_refresh,
    )
    started = datetime.now(UTC).isoformat(timespec="seconds")
    assistant.announce({AgentAttribute.PID: str(os.getpid()), AgentAttribute.STARTED_AT: started})
    beside = OwnedTasks("beside", assistant.supervision.failed)
    typed = OwnedTasks("typed", assistant.supervision.failed)
    messages = ClientMessages(context.room, assistant, typed, settings.livekit_api_secret)
    context.add_shutdown_callback(assistant.shutdown)

    async def hold() -> None:
        await renewer.run(assistant.health)
        assistant.tell(LeaseLost("another agent owns the room"))

    await _open(context, assistant, beside)
    beside.start("lease", hold())
    messages.attach()
    try:
        await assistant.run()
    finally:
        messages.detach()
        await typed.stop()
        await beside.stop()
