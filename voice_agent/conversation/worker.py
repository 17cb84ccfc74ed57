"""The worker: takes one job per room from LiveKit and runs a VoiceAssistant in it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from livekit.agents import AgentServer, AutoSubscribe, JobContext, JobProcess, JobRequest
from pydantic import ValidationError

from voice_agent import settings as settings_module
from voice_agent.contracts import AgentAttribute, JobMetadata, LogEvent, RoomPolicy
from voice_agent.conversation.assistant import VoiceAssistant
from voice_agent.conversation.client_messages import ClientMessages
from voice_agent.conversation.providers import build_providers, load_vad
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.conversation.voice import Voice
from voice_agent.errors import Code
from voice_agent.lifecycle.events import LeaseLost
from voice_agent.lifecycle.timing import Timing
from voice_agent.memory.access import Memory
from voice_agent.memory.drainer import Drainer
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.outbox import Outbox, Threads
from voice_agent.observe.log import BoundLog, ReconnectLog
from voice_agent.rooms.holder import LeaseHolder
from voice_agent.rooms.leases import Lease, Leases, worker_name
from voice_agent.rooms.workers import WorkerRoll
from voice_agent.settings import Settings
from voice_agent.storage.database import Database
from voice_agent.storage.schema import upgrade

_PROCESS: Final = "worker"
_RECONNECT_FOR_EVER: Final = 1_000_000
_VAD: Final = "vad"


def prewarm(process: JobProcess) -> None:
    process.userdata[_VAD] = load_vad()


class Reception:
    """Decides in the worker's own process which jobs to take: those that make sense and whose room is free."""

    def __init__(self, settings: Settings, leases: Leases, worker: str) -> None:
        self._leases = leases
        self._log = _log(settings)
        self._worker = worker

    async def on_request(self, request: JobRequest) -> None:
        try:
            job = JobMetadata.model_validate_json(request.job.metadata)
        except ValidationError as error:
            await self._refuse(
                request, Code.BAD_JOB_METADATA, f"The job's metadata has {error.error_count()} mistakes."
            )
            return
        if await self._leases.take(job.room_name, request.id, self._worker, job.lease_epoch) is None:
            await self._refuse(request, Code.LEASE_LOST, "The room belongs to another agent, or the dispatch is old.")
            return
        await request.accept(
            name=job.agent.name,
            attributes={
                AgentAttribute.SESSION_ID: job.session_id,
                AgentAttribute.AGENT_ID: job.agent.agent_id,
                AgentAttribute.AGENT_NAME: job.agent.name,
                AgentAttribute.BUILD: version("voice-agent"),
            },
        )

    async def _refuse(self, request: JobRequest, code: Code, message: str) -> None:
        self._log.bind(room=request.room.name).write(LogEvent.DISPATCH_FAILED, code=code, message=message)
        await request.reject()


async def entrypoint(context: JobContext) -> None:
    settings = settings_module.load().settings
    job = JobMetadata.model_validate_json(context.job.metadata)
    log = _log(settings).bind(room=job.room_name, session=job.session_id, agent=job.agent.agent_id)
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
        await _converse(context, settings, job, Memory(database, letta), Leases(database), log)
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
    )
    beside = OwnedTasks("beside", assistant.job_task_failed)
    typed = OwnedTasks("typed", assistant.job_task_failed)
    messages = ClientMessages(context.room, assistant, typed)
    context.add_shutdown_callback(assistant.shutdown)

    async def hold() -> None:
        await holder.run()
        assistant.tell(LeaseLost("another agent owns the room"))

    beside.start("lease", hold())
    messages.attach()
    try:
        await assistant.run()
    finally:
        messages.detach()
        await typed.stop()
        await beside.stop()
        await holder.release()


def build_server(settings: Settings, reception: Reception) -> AgentServer:
    def load(server: AgentServer) -> float:
        return len(server.active_jobs) / settings.worker_capacity

    server = AgentServer(
        ws_url=settings.effective_livekit_url,
        api_key=settings.livekit_api_key,
        api_secret=settings.livekit_api_secret,
        host="127.0.0.1",
        port=settings.worker_port,
        num_idle_processes=settings.worker_prewarm,
        setup_fnc=prewarm,
        # The default is the machine's CPU: a busy small machine would refuse everybody.
        load_fnc=load,
        load_threshold=0.999,
        max_retry=_RECONNECT_FOR_EVER,
        initialize_process_timeout=60.0,
    )
    server.rtc_session(entrypoint, agent_name=settings.livekit_agent_name, on_request=reception.on_request)
    return server


async def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. The worker's own process also helps to carry turns into Letta."""
    database = Database(settings.effective_database_url)
    await upgrade(database)
    name = worker_name(socket.gethostname(), os.getpid())
    server = build_server(settings, Reception(settings, Leases(database), name))
    letta = LettaClient(settings)
    log = _log(settings)
    drainer = Drainer(Outbox(database), Threads(database), letta, settings.home / "drainer.lock", log)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    registered = asyncio.Event()
    server.on("worker_registered", lambda *_: registered.set())

    def active() -> int | None:
        return len(server.active_jobs) if registered.is_set() else None

    tasks = {
        loop.create_task(server.run(), name="worker:server"),
        loop.create_task(drainer.run(), name="worker:drainer"),
        loop.create_task(WorkerRoll(database).keep(name, settings.worker_capacity, active), name="worker:roll"),
        loop.create_task(stop.wait(), name="worker:stop"),
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await server.aclose()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await letta.close()
        await database.close()


def _log(settings: Settings) -> ReconnectLog:
    return ReconnectLog(settings.reconnect_log, _PROCESS, spoken_text=settings.log_spoken_text)
