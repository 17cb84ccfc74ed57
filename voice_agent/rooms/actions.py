"""Executor of the monitor's decisions about a room. An act with an external effect is claimed in the database first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from voice_agent.contracts import RECYCLE_LIMIT, ControlMessage, LogEvent, Problem, RoomMetadata
from voice_agent.errors import Code, VoiceAgentError
from voice_agent.lifecycle import room_health as health
from voice_agent.observe.log import BoundLog, ReconnectLog
from voice_agent.rooms import metrics
from voice_agent.rooms.leases import Leases
from voice_agent.rooms.livekit import LiveKit, Participant
from voice_agent.rooms.observation import View
from voice_agent.rooms.policy import POLICIES
from voice_agent.rooms.repository import RoomRepository

_ASKED_FOR_A_SEAT: Final = 50
PROBLEMS: Final[Mapping[str, Problem]] = {
    Code.NO_WORKER: Problem(
        code=Code.NO_WORKER,
        message="No worker is registered, so no agent can come.",
        remedy="Start one with 'voice-agent worker', or see 'voice-agent status'.",
    ),
    Code.NO_WORKER_FOR_ROOM: Problem(
        code=Code.NO_WORKER_FOR_ROOM,
        message="Workers are running, but none takes calls of this role and business.",
        remedy="Start one whose VOICE_WORKER_ROLES and VOICE_WORKER_BUSINESSES name them or are empty, and whose "
        "LIVEKIT_AGENT_NAME is that of 'voice-agent serve'.",
    ),
    Code.WORKER_FULL: Problem(
        code=Code.WORKER_FULL,
        message="All workers that could come are busy with other conversations.",
        remedy="Wait for a free place, start another worker, or raise VOICE_WORKER_CAPACITY.",
    ),
    Code.AGENT_FAILS: Problem(
        code=Code.AGENT_FAILS,
        message="The agent failed several times in a row and is not started again for some minutes.",
        remedy="See 'voice-agent logs' for its error.",
    ),
    Code.SESSION_EXPIRED: Problem(
        code=Code.SESSION_EXPIRED,
        message="This session is over.",
        remedy="Open a new session.",
    ),
}


class Actions:
    def __init__(
        self, livekit: LiveKit, repository: RoomRepository, leases: Leases, log: ReconnectLog, validity: float
    ) -> None:
        self._livekit = livekit
        self._repository = repository
        self._leases = leases
        self._log = log
        self._validity = validity
        self._perform: Mapping[type[health.Action], Callable[[Any, View, BoundLog], Awaitable[None]]] = {
            health.OpenRoom: self._open,
            health.CloseRoom: self._close,
            health.Dispatch: self._dispatch,
            health.RemoveAgent: self._remove,
            health.Recycle: self._recycle,
            health.Fence: self._fence,
            health.ClearCooldown: self._clear_cooldown,
            health.Report: self._report,
            health.FreeSeat: self._free_seat,
        }

    async def perform(self, action: health.Action, view: View) -> None:
        session = view.record.job.session_id if view.record else ""
        await self._perform[type(action)](action, view, self._log.bind(room=action.room, session=session))

    async def remove_caller(self, room: str, participant: Participant, clock: float) -> None:
        """Removes a participant whose session has ended: LiveKit accepts the token until it expires."""
        await self._livekit.remove_participant(room, participant.identity)
        after = round(clock - participant.joined_at_ms / 1000, 3)
        log = self._log.bind(room=room, session=participant.session_id)
        log.write(LogEvent.CALLER_REMOVED, identity=participant.identity, seconds=after)

    async def count_failure(self, view: View) -> bool:
        """Counts an agent that left because it could not go on as a failure of its room; one observer counts it."""
        if view.lease.job is not None or not view.lease.health.failed:
            return False
        health = view.lease.health
        if await self._leases.claim_failure(view.seen.room, view.lease.epoch, health.why):
            # A lasting failure is not tried again: it uses up the room's limit at once.
            await self._repository.agent_failed(view.seen.room, RECYCLE_LIMIT if health.lasting else 1)
        return True

    async def _open(self, action: health.OpenRoom, view: View, log: BoundLog) -> None:
        assert view.record is not None
        metadata = RoomMetadata(installation=await self._repository.installation(), policy=view.record.policy)
        await self._livekit.create_room(action.room, metadata)
        log.write(LogEvent.ROOM_OPENED)

    async def mark(self, view: View) -> None:
        """Marks a room of ours that was made by a token, after LiveKit had lost it."""
        assert view.record is not None
        metadata = RoomMetadata(installation=await self._repository.installation(), policy=view.record.policy)
        await self._livekit.update_metadata(view.record.name, metadata)

    async def _close(self, action: health.CloseRoom, view: View, log: BoundLog) -> None:
        if view.record is not None and not POLICIES[view.record.policy].made_by_us:
            await self._repository.end(action.room)
            log.write(LogEvent.ROOM_RELEASED, why=action.why)
            return
        if view.record is not None and not await self._repository.close_if_unused(action.room, self._validity):
            return
        if view.live is None or any(p.is_human for p in await self._livekit.participants(action.room)):
            return
        await self._livekit.delete_room(action.room)
        log.write(LogEvent.ROOM_CLOSED, why=action.why)

    async def _dispatch(self, action: health.Dispatch, view: View, log: BoundLog) -> None:
        assert view.record is not None
        if not await self._repository.claim_dispatch(view.record):
            metrics.DISPATCHES.labels("claimed_elsewhere").inc()
            return
        job = view.record.job.model_copy(update={"lease_epoch": action.after_epoch})
        try:
            await self._livekit.dispatch(action.room, job)
        except VoiceAgentError as error:
            metrics.DISPATCHES.labels("refused").inc()
            log.write(LogEvent.DISPATCH_FAILED, **error.as_dict())
            return
        metrics.DISPATCHES.labels("requested").inc()
        log.write(LogEvent.DISPATCH, attempt=action.attempt, lease_epoch=action.after_epoch)

    async def _remove(self, action: health.RemoveAgent, _view: View, log: BoundLog) -> None:
        await self._livekit.remove_participant(action.room, action.identity)
        metrics.REMOVED.labels(action.why).inc()
        log.write(LogEvent.GHOST_REMOVED, identity=action.identity, why=action.why)

    async def _recycle(self, action: health.Recycle, view: View, log: BoundLog) -> None:
        if await self._leases.fence(action.room, action.epoch, view.lease.health.why):
            await self._repository.agent_failed(action.room)
            metrics.RECYCLES.labels(action.why).inc()
            log.write(LogEvent.LEASE_LOST, reason="recycled", why=action.why, job=action.job_id)

    async def _fence(self, action: health.Fence, _view: View, log: BoundLog) -> None:
        if await self._leases.fence(action.room, action.epoch):
            metrics.FENCES.inc()
            log.write(LogEvent.LEASE_LOST, reason="silent", job=action.job_id)

    async def _clear_cooldown(self, action: health.ClearCooldown, _view: View, _log: BoundLog) -> None:
        await self._repository.agent_is_ready(action.room)

    async def _free_seat(self, action: health.FreeSeat, view: View, log: BoundLog) -> None:
        """Drains the agent that has waited longest in an empty room; a caller who returns there gets another agent."""
        others = await self._repository.open_records(await self._repository.open_names() - {action.room})
        leases = await self._leases.of(others)
        # Only a seat of a worker that takes this room's job helps.
        fitting = {name for name, lease in leases.items() if lease.worker in view.workers}
        idle = [r for r in others.values() if r.name in fitting and not POLICIES[r.policy].agent_when_empty]
        for record in sorted(idle, key=lambda record: record.last_human_at)[:_ASKED_FOR_A_SEAT]:
            present = await self._livekit.participants(record.name)
            if any(p.is_agent for p in present) and not any(p.is_human for p in present):
                # First, or the room it leaves would ask for the same seat again, ahead of this room.
                await self._repository.expect_nobody(record.name)
                await self._livekit.order(record.name, ControlMessage(act="drain"))
                log.write(LogEvent.SEAT_GIVEN, by=record.name)
                return

    def _problem(self, code: str, view: View) -> Problem | None:
        message = ""
        if code == Code.AGENT_FAILS and (why := view.lease.health.why):
            message = f"The agent fails: {why}"
        elif code == Code.NO_WORKER_FOR_ROOM and view.record is not None:
            job, name = view.record.job, self._livekit.agent_name
            business = f" and business '{job.business_id}'" if job.business_id else ""
            message = f"Workers are running, but none takes calls of role '{job.role}'{business} (agent name '{name}')."
        problem = PROBLEMS.get(code)
        return problem.model_copy(update={"message": message}) if problem and message else problem

    async def _report(self, action: health.Report, view: View, log: BoundLog) -> None:
        """Publishes a problem in the session's state and in the room's metadata, which reaches the page at once."""
        problem = self._problem(action.code, view)
        if view.record is not None:
            await self._repository.set_problem(action.room, problem)
        metadata = view.live.metadata if view.live else None
        if metadata is not None and metadata.problem != problem:
            await self._livekit.update_metadata(action.room, metadata.model_copy(update={"problem": problem}))
        elif view.record is None or POLICIES[view.record.policy].made_by_us:
            return
        log.write(LogEvent.NOTICE, code=action.code, message=problem.message if problem else "")
