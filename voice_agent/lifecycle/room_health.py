"""Decision about each room: the actions that turn what is there into what should be there.

One agent per room depends on three things that are observed separately: the *room* (participants, by LiveKit), the
*lease* (which job may be there, by the database) and the *purpose* (whether an agent should be there). `decide()`
compares them. It is stateless and uses only its arguments, so any number of observers may run it at any time; two
observers do not act twice, because the database grants each action to one claimant.

A room is in exactly one `Situation`, and each situation has one answer:

    FOREIGN       not ours                          leave it alone
    PURPOSELESS   ours, but not wanted              close it; while a human is in it, report an expired session
    MISSING       wanted, but not in LiveKit        open it
    GONE          others made it, not in LiveKit    forget it, unless an agent was asked for just now
    EXPIRED       empty for longer than its policy  close it
    SERVED        lease holder present and ready    clear the cooldown
    COMING        lease holder not ready yet        wait, within a limit
    SICK          lease alive, agent useless        recycle: revoke the lease, remove the agent, count the failure
    SILENT        lease no longer renewed           fence it; then the room is in GHOSTS or VACANT
    GHOSTS        lease ended, an agent still there remove it; nothing is dispatched before it is *gone*
    UNLEASED      an agent, but no lease record     the oldest may stay for `lease_dead_after`, then it is a ghost
    VACANT        no agent                          dispatch, when needed, allowed and possible

An agent that does not hold the live lease is surplus and is removed: the newcomer yields, the incumbent keeps talking.
Agents take the lease before they join, so an observer that lists participants first and reads leases second never
removes a newcomer by mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from voice_agent.errors import Code

# --- what is seen ---


@dataclass(frozen=True, slots=True)
class SeenAgent:
    """A participant of kind AGENT that is not DISCONNECTED."""

    sid: str
    identity: str
    job_id: str
    joined_at: float
    """Time of joining by the server's clock: only compared with other agents of the room."""
    ready: bool


@dataclass(frozen=True, slots=True)
class SeenLease:
    """The room's lease row, and how long this observer has seen it silent (see `Liveness`)."""

    epoch: int
    job_id: str
    quiet_for: float = 0.0
    """Seconds since its beat moved, on the observer's clock, only while the observer's own writes succeeded."""
    ended: bool = False
    """No job holds it: released, revoked, or ended by a process exit report."""
    failed: str = ""
    """By the last renewal: the failure that the agent reported about itself."""
    silent_for: float = 0.0
    """By the last renewal: seconds its oldest utterance waits for an answer, or its loop for a sign of life."""
    silent_before: float = 0.0
    """The same by the renewal before (see `Liveness`): one renewal alone may be older than the answer."""


@dataclass(frozen=True, slots=True)
class SeenRoom:
    room: str
    exists: bool = True
    ours: bool = True
    """It carries the mark of this system (or has a database row, when it does not exist)."""
    humans: int = 0
    agents: tuple[SeenAgent, ...] = ()
    lease: SeenLease | None = None
    empty_since: float = 0.0
    """When the last human was seen, or the room was opened."""
    unserved_since: float = 0.0
    """Since when the current lease has had no ready holder."""


# --- what is wanted ---


@dataclass(frozen=True, slots=True)
class Wanted:
    """A room that has a purpose. Times are the observer's monotonic seconds; those in the future are not trusted."""

    room: str
    resident: bool = False
    """An agent stays in the empty room, and the room never closes."""
    adopted: bool = False
    """Others made the room: it is not opened."""
    close_after: float = 1800.0
    """Seconds after the last human left."""
    expected: bool = False
    """A token was issued just now: a human is about to join."""
    attempts: int = 0
    """Dispatches since an agent was last ready."""
    attempted_at: float = 0.0
    recycled_at: tuple[float, ...] = ()
    """Times at which agents of this room failed, within the window."""
    workers: int | None = None
    """Number of workers that could take this job; None: unknown, so try."""
    other_workers: int = 0
    """Number of workers that take other jobs only."""
    free_slots: int | None = None
    """Free seats of the workers that could take this job."""
    reported: str = ""
    """The error code shown for this room now."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits in seconds, and one count."""

    cooldown: float = 3.0
    cooldown_max: float = 30.0
    lease_dead_after: float = 15.0
    dead_loop_after: float = 40.0
    ready_within: float = 45.0
    """From a new lease to a ready agent, or from one `ready` to the next; longer than any deadline in the agent."""
    recycle_limit: int = 3
    recycle_window: float = 600.0
    renewal: float = 3.0
    """Interval at which a lease's beat moves, and so the interval of looks at it."""
    recheck: float = 1.0
    """Delay of the next look after an action whose success only the room can show."""

    def cooldown_of(self, attempts: int) -> float:
        return float(min(self.cooldown * 2 ** min(max(attempts - 1, 0), 16), self.cooldown_max))


# --- what to do ---


@dataclass(frozen=True, slots=True)
class Action:
    room: str


@dataclass(frozen=True, slots=True)
class OpenRoom(Action):
    """Create the room."""


@dataclass(frozen=True, slots=True)
class CloseRoom(Action):
    """Expire the session first, then delete the room if a fresh listing still shows no human."""

    why: str


@dataclass(frozen=True, slots=True)
class Dispatch(Action):
    """Claim `attempt`, then dispatch a job that may take the lease from `after_epoch`."""

    after_epoch: int
    attempt: int


@dataclass(frozen=True, slots=True)
class RemoveAgent(Action):
    """Remove this participant. `why`: ghost or surplus."""

    identity: str
    sid: str
    why: str


@dataclass(frozen=True, slots=True)
class Recycle(Action):
    """Revoke the lease if it still has this epoch, and record the failure; the next looks do the rest."""

    epoch: int
    job_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Fence(Action):
    """Revoke the lease if it still has this epoch: its holder fell silent. No failure is recorded."""

    epoch: int
    job_id: str


@dataclass(frozen=True, slots=True)
class ClearCooldown(Action):
    """An agent is ready: the next dispatch need not wait."""


@dataclass(frozen=True, slots=True)
class Report(Action):
    """Show this error code for the room; empty: clear it."""

    code: str


@dataclass(frozen=True, slots=True)
class FreeSeat(Action):
    """No worker for this room has a free seat: an agent that waits in an empty room may give up its seat."""


@dataclass(frozen=True, slots=True)
class Look(Action):
    """Nothing to do before `at`; look again then even without a wake-up."""

    at: float


# --- the decision ---


class Situation(StrEnum):
    FOREIGN = "foreign"
    PURPOSELESS = "purposeless"
    MISSING = "missing"
    GONE = "gone"
    EXPIRED = "expired"
    SERVED = "served"
    COMING = "coming"
    SICK = "sick"
    SILENT = "silent"
    GHOSTS = "ghosts"
    UNLEASED = "unleased"
    VACANT = "vacant"


@dataclass(frozen=True, slots=True)
class Case:
    """One room, seen and wanted, at one moment."""

    seen: SeenRoom
    wanted: Wanted
    limits: Limits
    now: float

    @property
    def holder(self) -> SeenAgent | None:
        lease = self.seen.lease
        return next((agent for agent in self.seen.agents if lease and agent.job_id == lease.job_id), None)

    @property
    def needed(self) -> bool:
        return self.wanted.resident or self.seen.humans > 0 or self.wanted.expected

    @property
    def recycles(self) -> list[float]:
        return sorted(at for at in self.wanted.recycled_at if self.now - at < self.limits.recycle_window)

    @property
    def given_up(self) -> bool:
        return len(self.recycles) >= self.limits.recycle_limit


def decide(
    observed: Mapping[str, SeenRoom], desired: Mapping[str, Wanted], now: float, limits: Limits | None = None
) -> tuple[Action, ...]:
    """Actions for every observed room, in order. A room that could not be listed must be left out of `observed`."""
    bounds = limits or Limits()
    return tuple(
        action for seen in observed.values() for action in decide_room(seen, desired.get(seen.room), now, bounds)
    )


def decide_room(seen: SeenRoom, wanted: Wanted | None, now: float, limits: Limits) -> tuple[Action, ...]:
    if seen.exists and not seen.ours:
        return ()
    if wanted is None:
        return tuple(_purposeless(seen))
    case = Case(seen, wanted, limits, now)
    return tuple(_ANSWERS[situation(case)](case))


def situation(case: Case) -> Situation:
    seen, wanted, limits = case.seen, case.wanted, case.limits
    if not case.needed and case.now - seen.empty_since >= wanted.close_after:
        return Situation.EXPIRED
    if not seen.exists:
        return Situation.GONE if wanted.adopted else Situation.MISSING
    lease = seen.lease
    if lease is None:
        return Situation.UNLEASED if seen.agents else Situation.VACANT
    if lease.ended:
        return Situation.GHOSTS if seen.agents else Situation.VACANT
    if lease.quiet_for >= limits.lease_dead_after:
        return Situation.SILENT
    late = case.now - seen.unserved_since >= limits.ready_within
    holder = case.holder
    served = holder is not None and holder.ready
    if lease.failed or _dead(lease, limits) or (late and not served):
        return Situation.SICK
    return Situation.SERVED if served else Situation.COMING


def _dead(lease: SeenLease, limits: Limits) -> bool:
    """Silent in two consecutive renewals: a single one does not remove an agent."""
    return min(lease.silent_for, lease.silent_before) >= limits.dead_loop_after


def _purposeless(seen: SeenRoom) -> Iterator[Action]:
    if not seen.exists:
        return
    if seen.humans:
        yield Report(seen.room, Code.SESSION_EXPIRED)
    else:
        yield CloseRoom(seen.room, "purposeless")


def _expired(case: Case) -> Iterator[Action]:
    yield CloseRoom(case.seen.room, "expired")


def _missing(case: Case) -> Iterator[Action]:
    yield OpenRoom(case.seen.room)


def _gone(case: Case) -> Iterator[Action]:
    if case.wanted.expected:
        yield _look(case, case.now + case.limits.renewal)
    else:
        yield CloseRoom(case.seen.room, "gone")


def _served(case: Case) -> Iterator[Action]:
    yield from _remove(case, (agent for agent in case.seen.agents if agent is not case.holder), "surplus")
    if case.wanted.attempts:
        yield ClearCooldown(case.seen.room)
    yield from _report(case, "")
    yield _look(case, case.now + case.limits.renewal)


def _coming(case: Case) -> Iterator[Action]:
    yield from _remove(case, (agent for agent in case.seen.agents if agent is not case.holder), "surplus")
    yield _look(case, case.now + case.limits.renewal)


def _sick(case: Case) -> Iterator[Action]:
    lease = case.seen.lease
    assert lease is not None
    why = lease.failed or ("dead_loop" if _dead(lease, case.limits) else "not_ready")
    yield Recycle(case.seen.room, lease.epoch, lease.job_id, why)
    yield _look(case, case.now)


def _silent(case: Case) -> Iterator[Action]:
    lease = case.seen.lease
    assert lease is not None
    yield Fence(case.seen.room, lease.epoch, lease.job_id)
    yield _look(case, case.now)


def _ghosts(case: Case) -> Iterator[Action]:
    yield from _remove(case, case.seen.agents, "ghost")
    yield _look(case, case.now)


def _unleased(case: Case) -> Iterator[Action]:
    by_age = sorted(case.seen.agents, key=lambda agent: (agent.joined_at, agent.sid))
    proves_itself = case.now - case.seen.unserved_since < case.limits.lease_dead_after
    yield from _remove(case, by_age[1:] if proves_itself else by_age, "surplus" if proves_itself else "ghost")
    yield _look(case, case.now)


def _vacant(case: Case) -> Iterator[Action]:
    room, wanted, limits = case.seen.room, case.wanted, case.limits
    if not case.needed:
        yield from _report(case, "")
        yield _look(case, case.seen.empty_since + wanted.close_after)
    elif case.given_up:
        yield from _report(case, Code.AGENT_FAILS)
        yield _look(case, case.recycles[-limits.recycle_limit] + limits.recycle_window)
    elif wanted.workers == 0:
        yield from _report(case, Code.NO_WORKER_FOR_ROOM if wanted.other_workers else Code.NO_WORKER)
    elif wanted.free_slots == 0:
        yield from _report(case, Code.WORKER_FULL)
        yield FreeSeat(room)
        yield _look(case, case.now + limits.cooldown)
    else:
        # A clock that jumped must not turn a cooldown into an hour: an attempt is never in the future.
        last = min(wanted.attempted_at, case.now)
        due = last + limits.cooldown_of(wanted.attempts) if wanted.attempts else case.now
        if case.now >= due:
            yield Dispatch(room, case.seen.lease.epoch if case.seen.lease else 0, wanted.attempts + 1)
            due = case.now + limits.cooldown_of(wanted.attempts + 1)
        if wanted.reported in _CURED_BY_WORKERS:
            yield from _report(case, "")
        yield _look(case, due)


_CURED_BY_WORKERS: Final = frozenset({Code.NO_WORKER, Code.NO_WORKER_FOR_ROOM, Code.WORKER_FULL, Code.SESSION_EXPIRED})


def _look(case: Case, at: float) -> Look:
    # Never at once: an action takes a moment, and by float rounding a look that is due at once may stay due for ever.
    return Look(case.seen.room, max(at, case.now + case.limits.recheck))


def _remove(case: Case, agents: Iterable[SeenAgent], why: str) -> Iterator[Action]:
    for agent in agents:
        yield RemoveAgent(case.seen.room, agent.identity, agent.sid, why)


def _report(case: Case, code: str) -> Iterator[Action]:
    if case.wanted.reported != code:
        yield Report(case.seen.room, code)


_ANSWERS: Final[Mapping[Situation, Callable[[Case], Iterator[Action]]]] = {
    Situation.MISSING: _missing,
    Situation.GONE: _gone,
    Situation.EXPIRED: _expired,
    Situation.SERVED: _served,
    Situation.COMING: _coming,
    Situation.SICK: _sick,
    Situation.SILENT: _silent,
    Situation.GHOSTS: _ghosts,
    Situation.UNLEASED: _unleased,
    Situation.VACANT: _vacant,
}
