"""One job: a VoiceAssistant in one room, in a process of its own."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import Final

from livekit.agents import AutoSubscribe, JobContext, JobProcess

from voice_agent import settings as settings_module
from voice_agent.contracts import AgentAttribute, JobMetadata, RoomPolicy
from voice_agent.conversation.assistant import VoiceAssistant
from voice_agent.conversation.client_messages import ClientMessages
from voice_agent.conversation.providers import build_providers, load_vad
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.conversation.voice import Voice
from voice_agent.lifecycle.events import LeaseLost
from voice_agent.lifecycle.timing import Timing
from voice_agent.memory.access import Memory
from voice_agent.memory.letta import LettaClient
from voice_agent.observe.log import BoundLog, ReconnectLog
from voice_agent.rooms.holder import LeaseHolder
from voice_agent.rooms.leases import Lease, Leases
from voice_agent.settings import Settings
from voice_agent.storage.database import Database

_VAD: Final = "vad"
_GOODBYE: Final = 6.0
"""Seconds a job has to bring its last turn into the outbox. The supervisor waits a little longer."""


def prewarm(process: JobProcess) -> None:
    process.userdata[_VAD] = load_vad()


async def entrypoint(context: JobContext) -> None:
    """livekit tells only a job whose entrypoint has returned that it shall end: the conversation goes on beside."""
    conversation = asyncio.get_running_loop().create_task(_job(context), name="job:conversation")

    async def ended() -> None:
        _, late = await asyncio.wait({conversation}, timeout=_GOODBYE)
        if late:
            conversation.cancel()
        await conversation

    context.add_shutdown_callback(ended)


async def _job(context: JobContext) -> None:
    settings = settings_module.load().settings
    job = JobMetadata.model_validate_json(context.job.metadata)
    whole = ReconnectLog(settings.reconnect_log, "job", spoken_text=settings.log_spoken_text)
    log = whole.bind(room=job.room_name, session=job.session_id, agent=job.agent.agent_id)
    database = Database(settings.effective_database_url)
    letta = LettaClient(settings)
    try:
        await context.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
        await context.room.local_participant.set_attributes(
            {
                AgentAttribute.PID: str(os.getpid()),
                AgentAttribute.STARTED_AT: datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
        await _converse(context, settings, job, Memory(database, letta, settings.outbox_limit), Leases(database), log)
    finally:
        await letta.close()
        await database.close()
        context.shutdown()


async def _converse(
    context: JobContext, settings: Settings, job: JobMetadata, memory: Memory, leases: Leases, log: BoundLog
) -> None:
    providers = build_providers(settings, context.proc.userdata[_VAD], job.agent.voice)
    lease = Lease(job.room_name, job.lease_epoch + 1, context.job.id)
    holder = LeaseHolder(leases, lease, lambda: assistant.health())
    assistant = VoiceAssistant(
        context.room,
        job,
        Voice(context.room, providers, holder.may_speak),
        memory,
        log,
        timing=Timing(
            departure=None if job.policy is RoomPolicy.RESIDENT else settings.idle_timeout,
            quiet=settings.quiet_after,
        ),
        greet=settings.greeting,
        memory_refresh=settings.memory_refresh,
    )
    beside = OwnedTasks("beside", assistant.job_task_failed)
    typed = OwnedTasks("typed", assistant.job_task_failed)
    messages = ClientMessages(context.room, assistant, typed, settings.livekit_api_secret)
    context.add_shutdown_callback(assistant.shutdown)

    async def hold() -> None:
        await holder.run()
        assistant.tell(LeaseLost("another agent owns the room"))

    await assistant.open()
    beside.start("lease", hold())
    messages.attach()
    try:
        await assistant.run()
    finally:
        messages.detach()
        await typed.stop()
        await beside.stop()
        await holder.release()
