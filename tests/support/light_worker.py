"""Light worker: a real one for LiveKit and our database, without speech: it registers, takes leases, joins rooms.

Small enough to be started and killed by the dozen. As a separate process:
`python -m tests.support.light_worker SETTINGS SEATS`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
from livekit import api, rtc
from livekit.protocol import agent as wire
from livekit.protocol.models import ParticipantPermission

from tests.support.eventually import PATIENCE
from voice_agent.contracts import AgentAttribute, JobMetadata
from voice_agent.errors import VoiceAgentError
from voice_agent.memory.letta import LettaClient
from voice_agent.observe.log import ReconnectLog
from voice_agent.rooms.adoption import adoption
from voice_agent.rooms.lease_renewer import LeaseRenewer
from voice_agent.rooms.leases import Health, Lease, Leases, worker_name
from voice_agent.rooms.livekit import LiveKit
from voice_agent.rooms.signed_messages import verify
from voice_agent.rooms.wish import is_ours
from voice_agent.rooms.workers import EVERYBODY, WorkerRegistry, WorkerScope
from voice_agent.settings import Settings
from voice_agent.storage import Database


@dataclass
class Behaviour:
    """Faults of this worker's agents."""

    becomes_ready: bool = True
    health: Health = field(default_factory=Health)
    fails_with: Health | None = None
    """Leaves right after joining, with this health in its lease."""


class LightAgent:
    """Job of this worker: an agent in a room."""

    def __init__(self, job_id: str, metadata: JobMetadata, leases: Leases, behaviour: Behaviour, secret: str) -> None:
        self.job_id = job_id
        self._secret = secret
        self.metadata = metadata
        self.behaviour = behaviour
        self.room = rtc.Room()
        self.episode = 1
        self._gone = asyncio.Event()
        self._resets: list[asyncio.Task[None]] = []
        self.room.on("disconnected", lambda *_: self._gone.set())
        self.room.on("data_received", self._ordered)
        self._publishing = asyncio.Lock()
        lease = Lease(metadata.room_name, metadata.held_epoch, job_id)
        self._leases = leases
        self.holder = LeaseRenewer(leases, lease)

    async def run(self, url: str, token: str) -> None:
        renewing = asyncio.create_task(self.holder.run(lambda: self.behaviour.health), name=f"lease of {self.job_id}")
        gone = asyncio.create_task(self._gone.wait(), name=f"stay of {self.job_id}")
        try:
            await self.room.connect(url, token)
            self.room.on("participant_connected", lambda _participant: self._publish_soon("engaged"))
            self.room.on("participant_disconnected", lambda _participant: self._reset())
            if not self.behaviour.fails_with:
                await self.publish(ready=self.behaviour.becomes_ready)
                await asyncio.wait([renewing, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._gone.set()
            await _stop(renewing, gone, *self._resets)
            await self._leases.release(self.holder.lease, self.behaviour.fails_with or Health())
            await self.room.disconnect()

    async def publish(self, *, ready: bool, state: str = "ready") -> None:
        attributes: dict[str, str] = {
            AgentAttribute.READY: "1" if ready else "",
            AgentAttribute.STATE: state,
            AgentAttribute.EPISODE: str(self.episode),
            AgentAttribute.PID: str(os.getpid()),
            AgentAttribute.LEASE_EPOCH: str(self.holder.lease.epoch),
        }
        async with self._publishing:  # in order
            await self.room.local_participant.set_attributes(attributes)

    def _ordered(self, packet: rtc.DataPacket) -> None:
        order = verify(packet.data, self.metadata.room_name, self._secret)
        if order is not None and order.act == "drain" and not self._humans():
            self._gone.set()

    def _humans(self) -> list[rtc.RemoteParticipant]:
        agent = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        return [one for one in self.room.remote_participants.values() if one.kind != agent]

    def _reset(self) -> None:
        if self._gone.is_set():
            return  # the event may arrive while this agent leaves the room, too
        self.episode += 1
        self._publish_soon("ready")

    def _publish_soon(self, state: str) -> None:
        if not self._gone.is_set():
            publishing = self.publish(ready=True, state=state)
            self._resets.append(asyncio.create_task(publishing, name=f"{state} of {self.job_id}"))


class LightWorker:
    def __init__(
        self, settings: Settings, *, name: str = "", capacity: int = 50, worker_scope: WorkerScope = EVERYBODY
    ) -> None:
        self.name = name or worker_name(socket.gethostname(), os.getpid())
        self.behaviour = Behaviour()
        self.agents: dict[str, LightAgent] = {}
        self.taken = self.refused = 0
        self.registered = asyncio.Event()
        self._settings = settings
        self._capacity = capacity
        self._worker_scope = worker_scope
        self._database = Database(settings.effective_database_url)
        self._leases = Leases(self._database)
        self._worker_registry = WorkerRegistry(self._database)
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._offered: dict[str, JobMetadata] = {}
        self._main: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._livekit, self._letta = LiveKit(self._settings), LettaClient(self._settings)
        log = ReconnectLog(self._settings.reconnect_log, "worker")
        self._adoption = adoption(self._settings, self._database, self._letta, self._livekit, log)
        self._main = asyncio.create_task(self._serve(), name="light-worker")
        async with asyncio.timeout(PATIENCE):
            await self.registered.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._main is not None
        await _stop(self._main, *self._jobs.values())
        await self._letta.close()
        await self._livekit.close()
        await self._database.close()

    async def meets(self, identity: str, within: float = PATIENCE) -> None:
        """Waits until one of this worker's agents has seen this person."""
        deadline = time.monotonic() + within
        while not any(identity in agent.room.remote_participants for agent in self.agents.values()):
            assert time.monotonic() < deadline, f"no agent met {identity} within {within} s"
            await asyncio.sleep(0.02)

    async def _serve(self) -> None:
        worker_registry = asyncio.create_task(self._told(), name="roll")
        try:
            while True:
                with suppress(aiohttp.ClientError, OSError):
                    await self._connection()
                self.registered.clear()
                await asyncio.sleep(0.2)
        finally:
            await _stop(worker_registry)

    async def _told(self) -> None:
        await self._worker_registry.keep(self.name, self._capacity, self._active, self._worker_scope)

    def _active(self) -> int | None:
        return len(self.agents) if self.registered.is_set() else None

    async def _connection(self) -> None:
        token = api.AccessToken(self._settings.livekit_api_key, self._settings.livekit_api_secret)
        headers = {"Authorization": "Bearer " + token.with_grants(api.VideoGrants(agent=True)).to_jwt()}
        url = self._settings.effective_livekit_url + "/agent?protocol=1"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers) as ws:
            await ws.send_bytes(self._registration().SerializeToString())
            async for message in ws:
                if message.type is aiohttp.WSMsgType.BINARY:
                    await self._handle(ws, wire.ServerMessage.FromString(message.data))

    def _registration(self) -> wire.WorkerMessage:
        allowed = ParticipantPermission(
            can_publish=True, can_subscribe=True, can_publish_data=True, can_update_metadata=True, agent=True
        )
        return wire.WorkerMessage(
            register=wire.RegisterWorkerRequest(
                type=wire.JobType.JT_ROOM,
                agent_name=self._worker_scope.agent_name or self._settings.livekit_agent_name,
                version="test",
                allowed_permissions=allowed,
            )
        )

    async def _handle(self, ws: aiohttp.ClientWebSocketResponse, message: wire.ServerMessage) -> None:
        kind = message.WhichOneof("message")
        if kind == "register":
            self.registered.set()
        elif kind == "availability":
            await ws.send_bytes((await self._offer(message.availability.job)).SerializeToString())
        elif kind == "assignment":
            self._begin(ws, message.assignment)

    async def _offer(self, job: wire.Job) -> wire.WorkerMessage:
        try:
            metadata = await self._read(job)
        except VoiceAgentError:
            self.refused += 1
            return wire.WorkerMessage(availability=wire.AvailabilityResponse(job_id=job.id, available=False))
        self._offered[job.id] = metadata
        if not self._worker_scope.serves(metadata) or len(self.agents) >= self._capacity:
            return wire.WorkerMessage(availability=wire.AvailabilityResponse(job_id=job.id, available=False))
        taken = await self._leases.take(job.room.name, job.id, self.name, metadata.lease_epoch)
        self.taken += taken is not None
        self.refused += taken is None
        return wire.WorkerMessage(
            availability=wire.AvailabilityResponse(
                job_id=job.id, available=taken is not None, participant_identity=f"agent-{job.id}"
            )
        )

    async def _read(self, job: wire.Job) -> JobMetadata:
        if is_ours(job.metadata):
            return JobMetadata.model_validate_json(job.metadata)
        return await self._adoption.of_dispatch(job.room.name, job.room.sid, job.metadata)

    def _begin(self, ws: aiohttp.ClientWebSocketResponse, assignment: wire.JobAssignment) -> None:
        job = assignment.job
        metadata, secret = self._offered[job.id], self._settings.livekit_api_secret
        agent = LightAgent(job.id, metadata, self._leases, self.behaviour, secret)
        self.agents[job.id] = agent
        url = assignment.url or self._settings.effective_livekit_url
        self._jobs[job.id] = asyncio.create_task(self._work(ws, agent, url, assignment.token), name=f"job {job.id}")

    async def _work(self, ws: aiohttp.ClientWebSocketResponse, agent: LightAgent, url: str, token: str) -> None:
        await self._report_load(ws)
        try:
            await agent.run(url, token)
        finally:
            self.agents.pop(agent.job_id, None)
            await self._report_load(ws)

    async def _report_load(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        load = len(self.agents) / self._capacity
        status = wire.UpdateWorkerStatus(status=wire.WorkerStatus.WS_AVAILABLE, load=load)
        with suppress(aiohttp.ClientError, OSError):
            await ws.send_bytes(wire.WorkerMessage(update_worker=status).SerializeToString())


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


async def _until_terminated(settings: Settings, capacity: int, say: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with LightWorker(settings, capacity=capacity):
        say("registered")
        await stop.wait()


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text())
    seats = int(sys.argv[2])
    asyncio.run(_until_terminated(Settings.model_validate(told), seats, lambda line: print(line, flush=True)))
