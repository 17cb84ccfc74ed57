"""Sessions, workers and jobs of the simulated installation: the parts that drive a lifecycle machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.machine_world import LawBrokenError, require

if TYPE_CHECKING:
    from tests.support.fleet import Fleet

SELF_FENCE = 12.0
"""A lease holder that could not renew for this long stops speaking: less than the observers' 15 s."""


@dataclass(slots=True)
class Lease:
    epoch: int = 0
    job: Job | None = None


@dataclass(slots=True)
class Session:
    """Room, with its database rows and its participants in the media server."""

    name: str
    resident: bool
    exists: bool = False
    ended: bool = False
    humans: dict[str, Any] = field(default_factory=dict)
    agents: dict[str, Job] = field(default_factory=dict)
    """By sid, as listed: dead agents that are still listed and strangers included."""
    lease: Lease = field(default_factory=Lease)
    attempts: int = 0
    attempted_at: float = 0.0
    recycled_at: tuple[float, ...] = ()
    reported: str = ""
    expected_until: float = -1.0
    episode: int = 0
    greeted: frozenset[str] = frozenset()
    last_left: float = 0.0
    missing_since: float = 0.0
    unserved_since: float | None = None
    excused: float = 0.0
    """Seconds of the current gap in which no agent could have served."""


class Job:
    """Job of one assistant: its machine, and a driver that performs effects in virtual time."""

    def __init__(self, fleet: Fleet, session: Session, worker: Worker, number: int) -> None:
        self.fleet, self.session, self.worker = fleet, session, worker
        self.id = f"AJ_{number}"
        self.sid = f"PA_{self.id}"
        self.stranger = False
        self.machine: Any = None
        self.epoch = 0
        self.taken_at = 0.0
        self.joined_at = 0.0
        self.in_room = False
        self.ready = False
        self.dead = False
        self.ended = False
        self.wedged = False
        self.paused_until: float | None = None
        self.frozen_at: float | None = None
        """Time at which renewals stopped."""
        self.inbox: list[Any] = []
        self.failed = ""
        self.unanswered_since: float | None = None
        self.tasks: dict[object, int] = {}
        self.deaf_until = -1.0
        self.flushing = False

    # --- lease ---

    def beat(self, now: float) -> int:
        """Number of the last successful renewal; none succeeds while the database is locked."""
        until = now if self.frozen_at is None else min(now, self.frozen_at)
        slot = int((until - self.taken_at) / 3.0)
        while slot > 0 and self.fleet.locked_at(self.taken_at + slot * 3.0):
            slot -= 1
        return slot

    def holds(self, now: float) -> bool:
        """Whether it considers its lease valid: the check before each audio frame."""
        return not self.stranger and now - (self.taken_at + self.beat(now) * 3.0) < SELF_FENCE

    def may_speak(self, now: float) -> bool:
        return self.in_room and not self.dead and self.paused_until is None and self.holds(now)

    # --- life ---

    def tell(self, event: Any) -> None:
        if self.dead or self.ended or self.stranger:
            return
        if self.paused_until is not None or self.wedged:
            self.inbox.append(event)
            return
        self.fleet.events += 1
        try:
            effects = self.fleet.handle(self, event)
        except self.fleet.core.machine.IllegalTransition as error:
            raise LawBrokenError("nothing illegal happens", f"{self.session.name}: {error}") from error
        if self.session.lease.job is self:  # a fenced job must not change what is kept
            self.session.greeted = self.machine.greeted
        for effect in effects:
            PERFORM[type(effect).__name__](self, effect)

    def later(self, seconds: float, make: Callable[[], Any], episode: int | None = None) -> None:
        """Tells the event of `make` after a delay; with an episode it is a task that can be cancelled."""
        task = object()
        if episode is not None:
            self.tasks[task] = episode

        def due() -> None:
            if episode is None or self.tasks.pop(task, None) is not None:
                self.tell(make())

        self.fleet.after(seconds, due)

    def cancel_tasks(self, episode: int) -> None:
        self.tasks = {task: of for task, of in self.tasks.items() if of > episode}

    def leave(self, reason: str) -> None:
        if self.ended:
            return
        self.fleet.unlist(self)
        self.tell(self.fleet.core.events.RoomDisconnected(reason))
        self.end(release=True)

    def end(self, *, release: bool) -> None:
        """Ends the process; with `release` its lease, too."""
        if not self.ended:
            self.ended = True
            self.worker.jobs.pop(self, None)
            self.cancel_tasks(10**9)
        if release:
            self.fleet.release(self)

    def die(self) -> None:
        self.dead = True
        self.frozen_at = min(self.frozen_at or self.fleet.now, self.fleet.now)
        self.cancel_tasks(10**9)
        self.worker.jobs.pop(self, None)


def _load_memory(job: Job, effect: Any) -> None:
    fleet, ev = job.fleet, job.fleet.core.events
    episode = effect.episode
    if fleet.now < fleet.letta_down_until:
        hangs = fleet.draw.random() < 0.3
        delay = fleet.draw.uniform(3, 6) if hangs else 0.2
        job.later(delay, lambda: ev.MemoryLoadFailed(episode, "letta_unavailable", True), episode)
    else:
        job.later(fleet.draw.uniform(0.02, 0.3), lambda: ev.MemoryLoaded(episode), episode)


def _cancel_tasks(job: Job, effect: Any) -> None:
    job.cancel_tasks(effect.episode)
    stuck = job.fleet.draw.random() < 0.0005
    job.later(
        job.fleet.draw.uniform(2.5, 4) if stuck else 0.02, lambda: job.fleet.core.events.TasksEnded(effect.episode)
    )


def _greet(job: Job, effect: Any) -> None:
    fleet, session, sid = job.fleet, job.session, effect.human.sid
    fleet.speaks(job)
    if job.may_speak(fleet.now):
        fleet.observe("audio.began", session, job.sid)
        fleet.after(0.5, lambda: fleet.observe("audio.ended", session, job.sid))
    job.later(1.5, lambda: fleet.core.events.GreetingFinished(effect.episode), effect.episode)
    if job.flushing or fleet.now < job.deaf_until + 1.0 or not job.in_room:
        return  # it could not know about arrivals and departures meanwhile
    require(sid in session.humans, "nothing is spoken to an empty room", f"{session.name} {effect}")
    visit = fleet.visit_of[sid]
    require(
        visit not in fleet.greeted_visits, "one greeting per arrival into an empty room", f"{session.name} {effect}"
    )
    fleet.greeted_visits.add(visit)


def _announce(job: Job, effect: Any) -> None:
    if effect.ready != job.ready and job.in_room:
        job.fleet.observe("agent.ready" if effect.ready else "agent.unready", job.session, job.sid)
    job.ready = effect.ready
    job.session.episode = max(job.session.episode, effect.episode)
    job.failed = effect.error
    job.fleet.service_changed(job.session)


def _start_timer(job: Job, effect: Any) -> None:
    job.fleet.after(effect.seconds, lambda: job.tell(effect.fired()))


def _ack(name: str) -> Callable[[Job, Any], None]:
    return lambda job, effect: job.later(0.01, lambda: getattr(job.fleet.core.events, name)(effect.episode))


def _leave(job: Job, effect: Any) -> None:
    reason = effect.reason
    if job.failed or reason.startswith("failed"):
        job.session.recycled_at = (*job.session.recycled_at, job.fleet.now)[-5:]
    occupied = bool(job.session.humans) and bool(job.machine.humans)
    require(reason != "idle" or not occupied, "an occupied room is not left", f"{job.session.name} {reason}")
    job.fleet.after(0.05, lambda: job.leave(reason))


def _events(job: Job) -> Any:
    return job.fleet.core.events


PERFORM: dict[str, Callable[[Job, Any], None]] = {
    "LoadMemory": _load_memory,
    "StopSpeech": _ack("SpeechStopped"),
    "CancelEpisodeTasks": _cancel_tasks,
    "ClearHistory": _ack("HistoryCleared"),
    "StartTimer": _start_timer,
    "Greet": _greet,
    "AnnounceState": _announce,
    "LeaveRoom": _leave,
    "Rescan": lambda job, _: job.later(0.05, lambda: _events(job).HumansScanned(tuple(job.session.humans.values()))),
    "AcknowledgeReset": lambda job, _: job.fleet.count("resets"),
    "CancelTimer": lambda _job, _effect: None,
    "LinkTo": lambda _job, _effect: None,
    "AcknowledgeArrival": lambda _job, _effect: None,
    "Resume": lambda job, _: job.fleet.count("conversations that go on"),
    "AllowReflection": lambda job, _: job.later(0.5, lambda: _events(job).SyncFinished()),
    "RebindAgent": lambda _job, _effect: None,
    "Dropped": lambda job, _: job.fleet.count("late results dropped"),
}


class Worker:
    def __init__(self, number: int, capacity: int) -> None:
        self.number, self.capacity = number, capacity
        self.jobs: dict[Job, None] = {}
        self.alive = True

    @property
    def free(self) -> int:
        return self.capacity - len(self.jobs) if self.alive else 0
