"""Worker: takes one job per room from LiveKit and runs a VoiceAssistant in it."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
from contextlib import suppress
from typing import Any, Final

from livekit.agents import AgentServer, JobRequest

from voice_agent.contracts import ControlMessage
from voice_agent.conversation.job_acceptance import JobAcceptance, Seats
from voice_agent.conversation.job_entry import entrypoint, prewarm
from voice_agent.conversation.job_watch import JobWatch
from voice_agent.conversation.livekit_private import announce_load, fail_job
from voice_agent.errors import Code, Temporary, VoiceAgentError
from voice_agent.memory.facts.propose import ChatProposer
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.worker import MemoryWorker
from voice_agent.observe.log import ReconnectLog
from voice_agent.observe.process_tasks import ProcessTasks
from voice_agent.providers import endpoints
from voice_agent.providers.local_server import FACTS_HEADERS
from voice_agent.rooms.adoption import adoption
from voice_agent.rooms.deletion import DeletionWorker
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
    try:
        await upgrade(database)
        await Worker(settings, database).run()
    finally:
        await database.close()


class Worker:
    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._name = worker_name(socket.gethostname(), os.getpid())
        self._capacity, self._scope = settings.effective_worker_capacity, WorkerScope.of(settings)
        self._registered, self._stop = asyncio.Event(), _stop_signal()
        self._registry = WorkerRegistry(database)
        log = ReconnectLog(settings.reconnect_log, "worker", spoken_text=settings.log_spoken_text)
        leases = Leases(database)
        self._watch = JobWatch(leases, self._jobs, self._seats_changed)
        seats = Seats(self._capacity, lambda: len(self._jobs()))
        self._letta, self._livekit = LettaClient(settings), LiveKit(settings)
        adopts = adoption(settings, database, self._letta, self._livekit, log)
        acceptance = JobAcceptance(
            *(leases, self._name, self._scope, seats, log, self._watch.accepted, adopts), self._refuse
        )
        self._server = build_server(settings, acceptance, seats)
        self._server.on("worker_registered", lambda *_: self._registered.set())
        llm = endpoints.llm(settings)
        self._proposer = ChatProposer(llm, FACTS_HEADERS)
        retention = Retention(settings, database)
        self._memory = MemoryWorker(
            *(settings, database, self._letta, log, leases.sessions_alive, self._proposer, retention.run_due),
            letta_tools=not llm.local,
            delete_people=DeletionWorker(database, self._letta, log).run_due,
        )
        self._over: asyncio.Future[VoiceAgentError] = asyncio.get_running_loop().create_future()
        self._tasks = ProcessTasks(log, self._end)

    async def _refuse(self, request: JobRequest, reason: str) -> None:
        await fail_job(self._server, request, reason)

    def _jobs(self) -> set[str]:
        return {job.job.id for job in self._server.active_jobs}

    async def _seats_changed(self) -> None:
        if (count := self._active()) is not None:
            await announce_load(self._server)
            await self._registry.announce(self._name, self._capacity, count, self._scope)

    def _active(self) -> int | None:
        """None: LiveKit sends it no jobs."""
        return len(self._jobs()) if self._registered.is_set() and not self._stop.is_set() else None

    def _end(self, error: VoiceAgentError) -> None:
        if not self._over.done():
            self._over.set_result(error)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks.start("memory-worker", self._memory.run)
        self._tasks.start("worker-registry", self._keep_registered)
        self._tasks.start("job-watch", self._watch.run)
        serving = loop.create_task(self._server.run(), name="worker:server")
        stopping = loop.create_task(self._stop.wait(), name="worker:stop")
        try:
            ends: tuple[asyncio.Future[Any], ...] = (self._over, serving, stopping)
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._over.done():
                raise self._over.result()
            if serving.done():
                serving.result()
                raise Temporary(Code.INTERNAL, "livekit's worker ended by itself.", "Look into the log of the worker.")
            with suppress(Temporary):
                await self._registry.deregister(self._name)  # seats that become free from here on are not offered
            if self._settings.worker_drain:
                await _drain(self._server, self._livekit, self._settings.worker_drain)
        finally:
            await self._server.aclose()
            await self._tasks.stop()
            serving.cancel()
            stopping.cancel()
            await asyncio.wait({serving, stopping})
            await self._proposer.aclose()
            await self._letta.close()
            await self._livekit.close()

    async def _keep_registered(self) -> None:
        await self._registry.keep(self._name, self._capacity, self._active, self._scope)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _drain(server: AgentServer, livekit: LiveKit, within: float) -> None:
    """Take no new jobs; agents in empty rooms leave now, the others when their visit ends or the time is up."""
    for job in server.active_jobs:
        with suppress(VoiceAgentError):  # that room's agent leaves when the time is up
            await livekit.order(job.job.room.name, ControlMessage(act="drain"))
    with suppress(TimeoutError):  # agents that are left are told to leave at once
        await server.drain(timeout=int(within))
