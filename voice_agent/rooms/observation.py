"""Observer of the monitor: rooms from LiveKit, purposes and leases from the database, durations from its own clock."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from voice_agent.contracts import DISPATCH_COOLDOWN_MAX, LEASE_DEAD_AFTER
from voice_agent.errors import Temporary
from voice_agent.lifecycle.liveness import Liveness
from voice_agent.lifecycle.room_health import SeenAgent, SeenLease, SeenRoom, Wanted
from voice_agent.registry.ports import SessionStore
from voice_agent.rooms.leases import Health, LeaseRow, Leases
from voice_agent.rooms.livekit import LiveKit, LiveRoom, Participant
from voice_agent.rooms.policy import POLICIES, RoomKeyParts
from voice_agent.rooms.repository import RoomRecord, RoomRepository
from voice_agent.rooms.workers import WorkerRegistry, WorkerRow

_AT_ONCE: Final = 16
_AGENT_PREFIX: Final = "agent-"
_NO_LEASE: Final = LeaseRow("", 0, None, None, 0, Health())


@dataclass(frozen=True, slots=True)
class View:
    """View of one room, with all that an action on it may need."""

    seen: SeenRoom
    wanted: Wanted | None
    record: RoomRecord | None
    live: LiveRoom | None
    participants: tuple[Participant, ...]
    lease: LeaseRow
    over: tuple[Participant, ...] = ()
    """Humans whose session has ended but whose token LiveKit still accepts; not in `participants`."""
    workers: frozenset[str] = frozenset()
    """Workers that take this room's job."""

    @property
    def unmarked(self) -> bool:
        """A room of ours that a token made anew after LiveKit had lost it."""
        made_by_us = self.record is not None and POLICIES[self.record.policy].made_by_us
        return made_by_us and self.live is not None and self.live.metadata is None

    @property
    def humans(self) -> tuple[Participant, ...]:
        return tuple(p for p in self.participants if p.is_human)


@dataclass(frozen=True, slots=True)
class Sight:
    views: tuple[View, ...] = ()
    adoptable: tuple[LiveRoom, ...] = ()
    """Rooms that others made, in which people are and no agent of others."""


class Observer:
    """Observer that remembers durations only. `now` is monotonic, `clock` is the wall clock of the database's times."""

    def __init__(
        self,
        livekit: LiveKit,
        repository: RoomRepository,
        leases: Leases,
        worker_registry: WorkerRegistry,
        sessions: SessionStore,
        clock: Callable[[], float],
        validity: float,
        *,
        adopts: bool = False,
    ) -> None:
        """`adopts`: rooms that others made are looked at, too."""
        self._livekit = livekit
        self._repository = repository
        self._leases = leases
        self._worker_registry = worker_registry
        self._sessions = sessions
        self._clock = clock
        self._validity = validity
        self._adopts = adopts
        self._liveness = Liveness()
        self._known: set[str] = set()
        self._held: set[str] = set()
        self._claims: dict[str, tuple[int, float]] = {}
        self._beats: dict[str, tuple[int, float]] = {}
        self._hands: dict[str, bool] = {}

    async def pulse(self, now: float) -> None:
        """Writes once: whether lease holders can write to the database is judged by whether we can."""
        try:
            await self._repository.pulse()
        except Temporary:
            self._liveness.write_failed()
            self._beats.clear()
            raise
        self._liveness.wrote(now)

    async def given_up(self) -> set[str]:
        """Rooms whose lease became free since the last look: no event says so, and LiveKit reports it late."""
        gone = await self._leases.free(self._held) if self._held else set()
        self._held -= gone
        return gone

    async def look_at_all(self, now: float) -> Sight:
        live = await self._livekit.rooms()
        ours = {room.name for room in live if await self._is_ours(room)}
        names = await self._repository.open_names() | ours
        self._forget(names)
        others = {room.name for room in live if room.metadata is None and room.occupied}
        return await self._look(names | others if self._adopts else names, live, now)

    async def look_at(self, names: set[str], now: float) -> Sight:
        return await self._look(names, await self._livekit.rooms(names), now)

    async def _look(self, names: set[str], listed: list[LiveRoom], now: float) -> Sight:
        """Lists participants first and reads leases second; lifecycle/room_health.py says why."""
        live = {room.name: room for room in listed}
        present = await self._present(sorted(names), live)
        records = await self._records(present, live)
        ours = {room.name for room in listed if await self._is_ours(room)} | records.keys()
        others = [room for room in listed if room.name in present and room.name not in ours and room.metadata is None]
        # Where tokens make rooms, that of an ended session makes its room again.
        ours |= await self._repository.ended(room.name for room in others) if others else set()
        views = await self._views(present, live, ours, records, now)
        adoptable = (r for r in others if r.name not in ours and self._is_adoptable(present[r.name]))
        return Sight(tuple(views), tuple(adoptable))

    async def _records(self, names: Iterable[str], live: Mapping[str, LiveRoom]) -> dict[str, RoomRecord]:
        """Without those of adopted rooms whose name a newer room has."""
        records = await self._repository.open_records(names)
        return {name: record for name, record in records.items() if not _is_of_another(record, live.get(name))}

    def _is_adoptable(self, present: Iterable[Participant]) -> bool:
        people, agents = [p for p in present if p.is_human], [p for p in present if p.is_agent]
        return self._adopts and bool(people) and all(p.agent_name == self._livekit.agent_name for p in agents)

    async def _views(
        self,
        present: Mapping[str, tuple[Participant, ...]],
        live: Mapping[str, LiveRoom],
        ours: Collection[str],
        records: Mapping[str, RoomRecord],
        now: float,
    ) -> list[View]:
        over = await self._over(present)
        leases = await self._leases.of(present)
        workers = self._living(await self._worker_registry.all(), now)
        views = []
        for name, everybody in present.items():
            if name not in ours:
                continue
            self._known.add(name)
            record = records.get(name)
            late = () if _is_adopted(record) else tuple(p for p in everybody if _is_over(p, over))
            found = tuple(p for p in everybody if p not in late)
            lease = leases.get(name, _NO_LEASE)
            (self._held.discard if lease.job is None else self._held.add)(name)
            seen = self._seen(name, live.get(name), found, lease, record, now)
            fitting = [] if record is None else self._fitting(record, workers)
            purpose = None if record is None else self._wanted(record, fitting, len(workers) - len(fitting), now)
            by_name = frozenset(worker.name for worker in fitting)
            views.append(View(seen, purpose, record, live.get(name), found, lease, late, by_name))
        return views

    async def _over(self, present: Mapping[str, tuple[Participant, ...]]) -> frozenset[str]:
        named = {p.session_id for found in present.values() for p in found if p.is_human} - {""}
        return await self._sessions.over(named) if named else frozenset()

    async def _is_ours(self, room: LiveRoom) -> bool:
        return room.metadata is not None and room.metadata.installation == await self._repository.installation()

    async def _present(self, names: list[str], live: Mapping[str, LiveRoom]) -> dict[str, tuple[Participant, ...]]:
        """Without the rooms that could not be listed: nothing is decided about them."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def list_one(name: str) -> tuple[Participant, ...] | None:
            if name not in live:
                return ()
            async with gate:
                try:
                    return tuple(await self._livekit.participants(name))
                except Temporary:
                    return None

        found = await asyncio.gather(*(list_one(name) for name in names))
        return {name: present for name, present in zip(names, found, strict=True) if present is not None}

    def _seen(
        self,
        name: str,
        live: LiveRoom | None,
        present: tuple[Participant, ...],
        lease: LeaseRow,
        record: RoomRecord | None,
        now: float,
    ) -> SeenRoom:
        empty_for = max(0.0, self._clock() - record.last_human_at) if record else 0.0
        raw = SeenRoom(
            room=name,
            exists=live is not None,
            humans=sum(p.is_human for p in present),
            agents=tuple(_agent(p) for p in present if p.is_agent and self._is_kept(p, record)),
            lease=_lease(lease),
            empty_since=now - empty_for,
        )
        return self._liveness.look(raw, lease.beat, now)

    def _is_kept(self, agent: Participant, record: RoomRecord | None) -> bool:
        """Whether this agent is ours to keep or to remove."""
        return not _is_adopted(record) or agent.agent_name == self._livekit.agent_name

    def _fitting(self, record: RoomRecord, workers: list[WorkerRow]) -> list[WorkerRow]:
        return [worker for worker in workers if worker.takes(record.job, self._livekit.agent_name)]

    def _wanted(self, record: RoomRecord, workers: list[WorkerRow], others: int, now: float) -> Wanted:
        policy, clock = POLICIES[record.policy], self._clock()
        return Wanted(
            room=record.name,
            resident=policy.agent_when_empty,
            adopted=not policy.made_by_us,
            close_after=self._validity if policy.closes else math.inf,
            expected=record.wanted_until > clock,
            attempts=record.attempts,
            attempted_at=self._claimed_at(record, clock, now),
            recycled_at=tuple(now - max(0.0, clock - at) for at in record.recycles),
            workers=len(workers),
            other_workers=others,
            free_slots=sum(max(0, worker.capacity - worker.active) for worker in workers),
            reported=record.problem.code if record.problem else "",
        )

    def _claimed_at(self, record: RoomRecord, clock: float, now: float) -> float:
        """When we first saw this claim; only an observer that has just started uses the wall clock."""
        claims, at = self._claims.get(record.name, (-1, 0.0))
        if claims == record.claims:
            return at
        age = clock - record.claimed_at
        at = now - (age if 0 <= age <= DISPATCH_COOLDOWN_MAX else DISPATCH_COOLDOWN_MAX)
        self._claims[record.name] = (record.claims, at)
        return at

    async def workers_changed(self, now: float) -> bool:
        """Whether a worker came or went, or became full or free: rooms that wait for one are then looked at."""
        living = {
            worker.name: worker.active < worker.capacity
            for worker in self._living(await self._worker_registry.all(), now)
        }
        before, self._hands = self._hands, living
        return living != before

    def _living(self, rows: list[WorkerRow], now: float) -> list[WorkerRow]:
        before, self._beats = self._beats, {}
        for row in rows:
            beat, since = before.get(row.name, (row.beat, now))
            self._beats[row.name] = (row.beat, now if beat != row.beat else since)
        return [row for row in rows if now - self._beats[row.name][1] < LEASE_DEAD_AFTER]

    def _forget(self, names: Iterable[str]) -> None:
        gone = self._known - set(names)
        self._known -= gone
        self._held -= gone
        self._liveness.forget(gone)
        for name in gone:
            self._claims.pop(name, None)


def _is_adopted(record: RoomRecord | None) -> bool:
    return record is not None and not POLICIES[record.policy].made_by_us


def _is_of_another(record: RoomRecord, live: LiveRoom | None) -> bool:
    key = POLICIES[record.policy].key
    return live is not None and _is_adopted(record) and record.key != key(RoomKeyParts("", "", "", "", live.sid))


def _is_over(participant: Participant, over: frozenset[str]) -> bool:
    return participant.is_human and participant.session_id in over


def _agent(participant: Participant) -> SeenAgent:
    return SeenAgent(
        sid=participant.sid,
        identity=participant.identity,
        job_id=participant.identity.removeprefix(_AGENT_PREFIX),
        joined_at=participant.joined_at_ms / 1000,
        ready=participant.ready,
    )


def _lease(row: LeaseRow) -> SeenLease:
    return SeenLease(
        epoch=row.epoch,
        job_id=row.job or "",
        ended=row.job is None,
        failed=row.health.failed,
        silent_for=row.health.silent_for,
    )
