"""Worker: takes one job per room from LiveKit and runs a VoiceAssistant in it."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
from contextlib import suppress
from typing import Any, Final

from livekit.agents import AgentServer

from voice_agent.contracts import ControlMessage
from voice_agent.conversation.job_acceptance import JobAcceptance, Seats
from voice_agent.conversation.job_entry import entrypoint, prewarm
from voice_agent.conversation.job_watch import JobWatch
from voice_agent.conversation.livekit_private import announce_load
from voice_agent.errors import Code, Temporary, VoiceAgentError
from voice_agent.memory.facts.propose import ChatProposer
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.worker import MemoryWorker
from voice_agent.observe.log import ReconnectLog
from voice_agent.observe.process_tasks import ProcessTasks
from voice_agent.providers import endpoints
from voice_agent.providers.local_server import FACTS_HEADERS
from voice_agent.rooms.leases import Leases, worker_name
from voice_agent.rooms.livekit import LiveKit
from voice_agent.rooms.retention import Retention
from voice_agent.rooms.workers import WorkerRegistry, WorkerScope
from voice_agent.settings import Settings
from voice_agent.storage.database import Database
from voice_agent.storage.schema import upgrade

_RECONNECT_FOR_EVER: Final = 1_000_000


def build_server(settings: Settings, job_acceptance: JobAcceptance, seats: Seats) -> AgentServer:
    server = AgentServer(
        ws_url=settings.effective_livekit_url,
        api_key=settings.livekit_api_key,
        api_secret=settings.livekit_api_secret,
        host="127.0.0.1",
        port=settings.worker_port,
        num_idle_processes=settings.worker_prewarm,
        setup_fnc=prewarm,
        # The default is the host's CPU load: a busy small host would refuse every job. JobAcceptance refuses when full:
        # livekit's own threshold refuses the second of two jobs that reach an idle worker at once.
        load_fnc=lambda: seats.load,
        load_threshold=math.inf,
        max_retry=_RECONNECT_FOR_EVER,
        job_memory_warn_mb=0,  # for a log line the kernel would walk through each job's pages every five seconds
        initialize_process_timeout=60.0,
    )
    server.rtc_session(entrypoint, agent_name=settings.livekit_agent_name, on_request=job_acceptance.on_request)
    return server


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. This process also runs the memory worker, which carries turns into Letta."""
    database = Database(settings.effective_database_url)
    await upgrade(database)
    name = worker_name(socket.gethostname(), os.getpid())
    log = ReconnectLog(settings.reconnect_log, "worker", spoken_text=settings.log_spoken_text)
    leases = Leases(database)
    worker_registry = WorkerRegistry(database)
    capacity, worker_scope = settings.effective_worker_capacity, WorkerScope.of(settings)
    registered, stop = asyncio.Event(), _stop_signal()

    def active() -> int | None:
        return len(server.active_jobs) if registered.is_set() and not stop.is_set() else None

    async def seats_changed() -> None:
        if (count := active()) is not None:
            await announce_load(server)
            await worker_registry.announce(name, capacity, count, worker_scope)

    watch = JobWatch(leases, lambda: {job.job.id for job in server.active_jobs}, seats_changed)
    seats = Seats(capacity, lambda: len(server.active_jobs))
    job_acceptance = JobAcceptance(leases, name, worker_scope, seats, log, watch.accepted)
    server = build_server(settings, job_acceptance, seats)
    letta = LettaClient(settings)
    proposer = ChatProposer(endpoints.llm(settings), FACTS_HEADERS)
    memory_worker = MemoryWorker(
        *(settings, database, letta, log, leases.sessions_alive, proposer, Retention(settings, database).run_due),
        letta_tools=not endpoints.llm(settings).local,
    )
    server.on("worker_registered", lambda *_: registered.set())

    loop = asyncio.get_running_loop()
    over: asyncio.Future[VoiceAgentError] = loop.create_future()
    tasks = ProcessTasks(log, lambda error: None if over.done() else over.set_result(error))
    tasks.start("memory-worker", memory_worker.run)
    tasks.start("worker-registry", lambda: worker_registry.keep(name, capacity, active, worker_scope))
    tasks.start("job-watch", watch.run)
    serving = loop.create_task(server.run(), name="worker:server")
    stopping = loop.create_task(stop.wait(), name="worker:stop")
    try:
        ends: tuple[asyncio.Future[Any], ...] = (over, serving, stopping)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            raise over.result()
        if serving.done():
            serving.result()
            raise Temporary(Code.INTERNAL, "livekit's worker ended by itself.", "Look into the log of the worker.")
        with suppress(Temporary):
            await worker_registry.deregister(name)  # a seat that becomes free from here on is not offered
        if settings.worker_drain:
            await _drain(server, settings)
    finally:
        await server.aclose()
        await tasks.stop()
        serving.cancel()
        stopping.cancel()
        await asyncio.wait({serving, stopping})
        await proposer.aclose()
        await letta.close()
        await database.close()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _drain(server: AgentServer, settings: Settings) -> None:
    """Take no new jobs; agents in empty rooms leave now, the others when their visit ends or the time is up."""
    livekit = LiveKit(settings)
    try:
        for job in server.active_jobs:
            await livekit.order(job.job.room.name, ControlMessage(act="drain"))
        await server.drain(timeout=int(settings.worker_drain))
    except TimeoutError:
        return  # agents that are left are told to leave at once
    finally:
        await livekit.close()
