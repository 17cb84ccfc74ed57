"""Traffic and faults for the simulated installation: people who come and go, and everything that breaks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.support.fleet import Fleet, Observer
from tests.support.fleet_job import Job, Session


class Visitor:
    """Person who visits one place repeatedly; an expired session is followed by a new one."""

    def __init__(self, fleet: Fleet, place: str, *, resident: bool, pause: float, long_stays: float) -> None:
        self.fleet, self.place, self.resident, self.pause = fleet, place, resident, pause
        self.long_stays = long_stays
        self.generation = 0
        self.sid = ""
        self.session = fleet.open(f"{place}#0", resident=resident)
        fleet.after(fleet.draw.uniform(0, pause), self.come)

    def come(self) -> None:
        fleet, draw = self.fleet, self.fleet.draw
        if self.session.ended:
            fleet.sessions.pop(self.session.name)
            for observer in fleet.observers:
                observer.liveness.forget([self.session.name])
            self.generation += 1
            self.session = fleet.open(f"{self.place}#{self.generation}", resident=self.resident)
        session = self.session
        session.expected_until = fleet.now + 30.0
        fleet.wake(session, by_us=True)
        self.enter(150.0 if draw.random() < self.long_stays else draw.uniform(5, 25))

    def enter(self, stay: float) -> None:
        """Connects; retries while the room does not exist yet."""
        fleet, session = self.fleet, self.session
        if not session.exists or not fleet.server_up:
            if session.ended:
                fleet.after(1.0, self.come)
            else:
                fleet.after(1.0, lambda: self.enter(stay))
            return
        self.sid = fleet.arrive(session)
        if fleet.draw.random() < 0.1:
            guest = fleet.arrive(session, "guest")
            fleet.after(fleet.draw.uniform(1, 20), lambda: fleet.depart(session, guest))
        fleet.after(fleet.draw.uniform(2, 4), lambda: self.talk(self.sid))
        fleet.after(stay, lambda: self.go(self.sid))

    def talk(self, sid: str) -> None:
        if sid in self.session.humans:
            self.fleet.say(self.session)
            self.fleet.after(self.fleet.draw.uniform(3, 6), lambda: self.talk(sid))

    def go(self, sid: str) -> None:
        fleet, draw = self.fleet, self.fleet.draw
        if sid == self.sid:
            fleet.depart(self.session, sid, abrupt=draw.random() < 0.03)
            again = draw.random()
            gap = draw.uniform(0, 1) if again < 0.1 else draw.expovariate(1 / self.pause)
            fleet.after(200.0 if again > 0.99 else gap, self.come)


# --- faults, each on a random target ---


def _jobs(fleet: Fleet) -> list[Job]:
    return [job for worker in fleet.workers for job in worker.jobs if not job.dead and not job.ended]


def _lingers(fleet: Fleet, job: Job) -> None:
    fleet.after(fleet.draw.uniform(15, 25), lambda: fleet.unlist(job))


def kill_job(fleet: Fleet, job: Job, *, seen: bool = True) -> None:
    job.die()
    _lingers(fleet, job)
    fleet.service_changed(job.session)
    if seen:
        fleet.after(fleet.draw.uniform(0.05, 0.5), lambda: fleet.release(job))


def kill_some_job(fleet: Fleet) -> None:
    jobs = _jobs(fleet)
    if jobs:
        kill_job(fleet, fleet.draw.choice(jobs), seen=fleet.draw.random() < 0.8)


def kill_worker(fleet: Fleet) -> None:
    worker = fleet.draw.choice(fleet.workers)
    if worker.alive:
        worker.alive = False
        seen = fleet.draw.random() < 0.8
        for job in list(worker.jobs):
            kill_job(fleet, job, seen=seen)

        def back() -> None:
            worker.alive = True
            for session in fleet.sessions.values():
                fleet.wake(session, by_us=True)

        fleet.after(fleet.draw.uniform(1, 4), back)


def pause_job(fleet: Fleet) -> None:
    jobs = [job for job in _jobs(fleet) if job.in_room and job.paused_until is None]
    if not jobs:
        return
    job = fleet.draw.choice(jobs)
    began, seconds = fleet.now, fleet.draw.choice([4.0, 20.0, 40.0])
    job.paused_until = began + seconds
    job.frozen_at = began
    fleet.service_changed(job.session)
    if seconds > 15:
        fleet.after(fleet.draw.uniform(15, 25), lambda: fleet.unlist(job) if job.paused_until is not None else None)
    fleet.after(seconds, lambda: _resume(fleet, job, began))


def _resume(fleet: Fleet, job: Job, began: float) -> None:
    if job.dead or job.ended:
        return
    ev = fleet.core.events
    job.paused_until = None
    waiting, job.inbox = job.inbox, []
    owner = job.session.lease.job is job
    if not owner or fleet.now - began >= 12.0:
        job.tell(ev.LeaseLost("overslept"))
    else:
        job.frozen_at = None
    job.flushing = True
    for event in waiting:
        job.tell(event)
    job.flushing = False
    if not job.in_room:
        job.tell(ev.RoomDisconnected("connection lost"))
        job.end(release=True)
    fleet.service_changed(job.session)


def wedge_job(fleet: Fleet) -> None:
    jobs = [job for job in _jobs(fleet) if job.in_room and job.ready]
    if jobs:
        job = fleet.draw.choice(jobs)
        job.wedged = True
        fleet.service_changed(job.session)


def lock_database(fleet: Fleet) -> None:
    fleet.locks.append((fleet.now, fleet.now + 5.0))


def kill_server(fleet: Fleet) -> None:
    if not fleet.server_up:
        return
    fleet.server_up = False
    homeless = [session for session in fleet.sessions.values() if session.humans]
    for session in fleet.sessions.values():
        session.exists = False
        for job in list(session.agents.values()):
            fleet.unlist(job)
            if not job.stranger and not job.dead and job.paused_until is None:
                fleet.after(fleet.draw.uniform(0.5, 3), partial(fleet._kicked, job, "server gone"))
        for sid in session.humans:
            fleet.observe("human.left", session, sid)
        session.humans.clear()
        fleet.service_changed(session)

    def back() -> None:
        fleet.server_up = True
        fleet.resync()
        for visitor in fleet.visitors:
            if visitor.session in homeless:
                fleet.after(fleet.draw.uniform(0.5, 3), partial(visitor.enter, 10.0))

    fleet.after(fleet.draw.uniform(2, 4), back)


def kill_observer(fleet: Fleet) -> None:
    if not fleet.observers:
        return
    observer = fleet.draw.choice(fleet.observers)
    observer.alive = False
    fleet.observers.remove(observer)

    def replace() -> None:
        fresh = Observer(fleet)
        fleet.observers.append(fresh)
        for session in fleet.sessions.values():
            fresh.wake(session, fleet.now + fleet.draw.uniform(0, 1))

    fleet.after(fleet.draw.uniform(0.5, 3), replace)


def _some_session(fleet: Fleet) -> Session:
    return fleet.sessions[fleet.draw.choice(list(fleet.sessions))]


def outsider_dispatches(fleet: Fleet) -> None:
    """An outsider calls CreateDispatch twenty times with a possibly outdated epoch."""
    session = _some_session(fleet)
    if session.exists and fleet.server_up:
        for _ in range(20):
            fleet.dispatch(session, max(0, session.lease.epoch - fleet.draw.randrange(2)))


def stranger_joins(fleet: Fleet) -> None:
    """An agent without a lease joins a room."""
    session = _some_session(fleet)
    if session.exists and fleet.server_up:
        fleet.jobs_ever += 1
        job = Job(fleet, session, fleet.workers[0], fleet.jobs_ever)
        job.stranger, job.joined_at, job.in_room, job.ready = True, fleet.now, True, True
        session.agents[job.sid] = job
        fleet.wake(session)


def lose_webhooks(fleet: Fleet) -> None:
    fleet.webhooks_lost_until = fleet.now + 20.0


def letta_down(fleet: Fleet) -> None:
    fleet.letta_down_until = fleet.now + 15.0


def our_reconnect(fleet: Fleet) -> None:
    """An agent's own connection breaks and comes back: it received no events meanwhile."""
    jobs = [job for job in _jobs(fleet) if job.in_room and job.ready and not job.wedged]
    if jobs:
        job = fleet.draw.choice(jobs)
        seconds = fleet.draw.uniform(0.5, 4)
        job.deaf_until = fleet.now + seconds
        job.later(seconds, lambda: fleet.core.events.RoomReconnected(full=fleet.draw.random() < 0.5))


def drain_job(fleet: Fleet) -> None:
    jobs = [job for job in _jobs(fleet) if job.in_room]
    if jobs:
        fleet.draw.choice(jobs).tell(fleet.core.events.DrainRequested())


def by_hand(fleet: Fleet) -> None:
    """A reset or a change of agent at any moment."""
    jobs = [job for job in _jobs(fleet) if job.in_room]
    if jobs:
        ev = fleet.core.events
        fleet.draw.choice(jobs).tell(fleet.draw.choice([ev.ResetRequested(), ev.SwitchAgentRequested("a2")]))


LOCAL: dict[Callable[[Fleet], Any], float] = {
    kill_some_job: 8,
    pause_job: 4,
    wedge_job: 4,
    outsider_dispatches: 4,
    stranger_joins: 4,
    our_reconnect: 8,
    by_hand: 8,
    drain_job: 4,
}
GLOBAL: dict[Callable[[Fleet], Any], float] = {
    lose_webhooks: 1,
    letta_down: 1,
    lock_database: 1,
    kill_observer: 1,
    kill_worker: 1,
    kill_server: 0.2,
}
FAULTS = {**LOCAL, **GLOBAL}


def break_something(fleet: Fleet) -> str:
    # Global faults are as frequent in a large fleet as in a small one.
    share = 5 / max(5, len(fleet.visitors))
    weights = [*LOCAL.values(), *(weight * share for weight in GLOBAL.values())]
    (fault,) = fleet.draw.choices(list(FAULTS), weights)
    fault(fleet)
    fleet.counts["faults"] += 1
    fleet.counts[f"fault: {fault.__name__}"] += 1
    return fault.__name__


def populate(
    fleet: Fleet, rooms: int, *, pause: float, fault_every: float, bound: float, long_stays: float = 0.03
) -> None:
    """Adds people in `rooms` rooms, random faults, and the check of `bound`; some visits are longer than the bound."""
    fleet.visitors = [
        Visitor(fleet, f"room-{number}", resident=number % 5 == 0, pause=pause, long_stays=long_stays)
        for number in range(rooms)
    ]

    def resync() -> None:
        fleet.resync()
        fleet.after(10.0, resync)

    def liveness() -> None:
        fleet.check_bound(bound)
        fleet.after(1.0, liveness)

    def trouble() -> None:
        break_something(fleet)
        fleet.after(fleet.draw.expovariate(1 / fault_every), trouble)

    for routine in (resync, liveness, trouble):
        fleet.after(5.0, routine)
