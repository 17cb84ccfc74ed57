"""Job acceptance in the worker's main process: takes valid jobs in its scope, if a seat and their room are free."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Final

from livekit.agents import JobRequest
from pydantic import ValidationError

from voice_agent.contracts import AgentAttribute, JobMetadata, LogEvent
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.observe.log import ReconnectLog
from voice_agent.rooms.adoption import Adoption
from voice_agent.rooms.leases import Lease, Leases
from voice_agent.rooms.wish import is_ours
from voice_agent.rooms.workers import WorkerScope

_TARGET_LOAD: Final = 0.7
"""livekit-server's default `agents.target_load`."""


class Seats:
    """Capacity and free seats of this worker. An accepted job counts before it runs."""

    def __init__(self, capacity: int, running: Callable[[], int]) -> None:
        self._capacity = capacity
        self._running = running
        self._kept = 0

    @property
    def free(self) -> int:
        return self._capacity - self._running() - self._kept

    @property
    def load(self) -> float:
        """Reported to LiveKit, which asks only workers below its `agents.target_load`: never one that hangs full."""
        return _TARGET_LOAD * (self._running() / self._capacity)

    @contextmanager
    def kept(self) -> Iterator[None]:
        self._kept += 1
        try:
            yield
        finally:
            self._kept -= 1


class JobAcceptance:
    def __init__(
        self,
        leases: Leases,
        worker: str,
        worker_scope: WorkerScope,
        seats: Seats,
        log: ReconnectLog,
        accepted: Callable[[Lease], None],
        adoption: Adoption,
        fail: Callable[[JobRequest, str], Awaitable[None]],
    ) -> None:
        """`fail`: makes a job fail in LiveKit, with this reason."""
        self._leases = leases
        self._worker = worker
        self._worker_scope = worker_scope
        self._seats = seats
        self._log = log
        self._accepted = accepted
        self._adoption = adoption
        self._fail = fail

    async def on_request(self, request: JobRequest) -> None:
        try:
            job = await self._job(request)
        except VoiceAgentError as error:
            await self._refuse(request, error)
            return
        if not self._worker_scope.serves(job) or not self._seats.free:
            await request.reject(terminate=False)  # another worker can take it
            return
        with self._seats.kept():
            await self._take(request, job)

    async def _job(self, request: JobRequest) -> JobMetadata:
        metadata = request.job.metadata
        try:
            return JobMetadata.model_validate_json(metadata)
        except ValidationError as error:
            if is_ours(metadata):
                mistakes = f"The job's metadata has {error.error_count()} mistakes."
                raise Permanent(
                    Code.BAD_JOB_METADATA, mistakes, "Run 'voice-agent serve' and its workers in one version."
                ) from None
        return await self._adoption.of_dispatch(request.room.name, request.room.sid, metadata)

    async def _take(self, request: JobRequest, job: JobMetadata) -> None:
        lease = await self._leases.take(job.room_name, request.id, self._worker, job.lease_epoch)
        if lease is None:
            taken = "The room belongs to another agent, or the dispatch is old."
            await self._refuse(request, Permanent(Code.LEASE_LOST, taken))
            return
        self._accepted(lease)
        try:
            await request.accept(
                name=job.agent.name,
                attributes={
                    AgentAttribute.SESSION_ID: job.session_id,
                    AgentAttribute.AGENT_ID: job.agent.agent_id,
                    AgentAttribute.AGENT_NAME: job.agent.name,
                    AgentAttribute.BUILD: version("voice-agent"),
                },
            )
        except BaseException:
            await self._leases.release(lease)  # LiveKit gave the job to no worker: the room must not wait for it
            raise

    async def _refuse(self, request: JobRequest, error: VoiceAgentError) -> None:
        self._log.bind(room=request.room.name).write(LogEvent.DISPATCH_FAILED, **error.as_dict())
        await self._fail(request, str(error))
