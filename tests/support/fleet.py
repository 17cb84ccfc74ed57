"""Simulation of a whole installation in virtual time around the real core: rooms, workers, jobs, observers, a media
server and a database.

Real: the machine of every job, `Liveness` and `decide()` of every observer. Simulated, with the behaviour of
livekit-server: a dispatch is lost when no worker is free, a dead agent stays listed for 15–25 s, rooms do not survive
the server, webhooks get lost. Claims and leases are atomic updates that fail while the database is locked.

The laws are checked during the run; a violation raises `LawBrokenError`.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.support import core as core_module
from tests.support.fleet_job import Job, Session, Worker
from tests.support.machine_world import require


class Observer:
    """Replica of the monitor: looks at rooms when woken or due, and claims before it acts."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.liveness = fleet.core.liveness.Liveness()
        self.due: dict[str, float] = {}
        self.alive = True
        self._heartbeat()

    def _heartbeat(self) -> None:
        fleet = self.fleet
        if self.alive:
            if fleet.locked_at(fleet.now):
                self.liveness.write_failed()
            else:
                self.liveness.wrote(fleet.now)
            fleet.after(3.0, self._heartbeat)

    def wake(self, session: Session, at: float) -> None:
        known = self.due.get(session.name)
        if known is None or at < known:
            self.due[session.name] = at
            self.fleet.after(max(0.0, at - self.fleet.now), lambda: self._look(session, at))

    def _look(self, session: Session, at: float) -> None:
        if not self.alive or self.due.get(session.name) != at:
            return
        del self.due[session.name]
        fleet = self.fleet
        if not fleet.server_up:
            self.wake(session, fleet.now + 1.0)
            return
        seen, wanted = fleet.seen(session), fleet.wanted(session)
        beat = session.lease.job.beat(fleet.now) if session.lease.job else 0
        seen = self.liveness.look(seen, beat, fleet.now)
        desired = {session.name: wanted} if wanted else {}
        fleet.looks += 1
        for action in fleet.core.room_health.decide({session.name: seen}, desired, fleet.now, fleet.limits):
            if type(action).__name__ == "Look":
                self.wake(session, action.at)
            else:
                # Another observer may be faster: the claim counts, not the decision.
                fleet.after(fleet.draw.uniform(0.005, 0.05), partial(fleet.act, session, action, self))


class Fleet:
    def __init__(
        self,
        seed: int = 0,
        *,
        core: Any = None,
        workers: int = 2,
        capacity: int = 8,
        observers: int = 2,
        handle: Callable[[Job, Any], tuple[Any, ...]] | None = None,
    ) -> None:
        self.core = core or core_module.load()
        self.draw = random.Random(seed)
        self.now = 0.0
        self.events = self.looks = 0
        self.limits = self.core.room_health.Limits()
        self.timing = self.core.timing.Timing(departure=40.0, quiet=8.0)
        self.resident_timing = self.core.timing.Timing(departure=None, quiet=8.0)
        self.handle = handle or (lambda job, event: job.machine.handle(event, self.now))
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self.counts: Counter[str] = Counter()
        self.sessions: dict[str, Session] = {}
        self.workers = [Worker(number, capacity) for number in range(workers)]
        self.locks: list[tuple[float, float]] = []
        self.server_up = True
        self.letta_down_until = 0.0
        self.webhooks_lost_until = 0.0
        self.gaps: list[float] = []
        self.visit_of: dict[str, int] = {}
        self.greeted_visits: set[int] = set()
        self.waiting: dict[str, None] = {}
        """Rooms with a human and without a ready agent."""
        self.jobs_ever = 0
        self.visitors: list[Any] = []
        self.observe: Callable[[str, Session, str], None] = lambda _event, _session, _sid: None
        """Called with each event that an independent client in the room would see or hear."""
        self.observers = [Observer(self) for _ in range(observers)]

    # --- time ---

    def after(self, seconds: float, act: Callable[[], None]) -> int:
        self._serial += 1
        heapq.heappush(self._queue, (self.now + seconds, self._serial, act))
        return self._serial

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self._queue and self._queue[0][0] <= until:
            self.now, _, act = heapq.heappop(self._queue)
            act()
        self.now = until

    def count(self, what: str) -> None:
        self.counts[what] += 1

    # --- database ---

    def locked_at(self, when: float) -> bool:
        return any(start <= when < end for start, end in self.locks[-3:])

    def release(self, job: Job) -> None:
        lease = job.session.lease
        if lease.job is job:
            if self.locked_at(self.now):
                self.after(1.0, lambda: self.release(job))
                return
            lease.job = None
            lease.epoch += 1
            self.wake(job.session)

    def seen(self, session: Session) -> Any:
        health = self.core.room_health
        lease = None
        if session.lease.epoch:
            job = session.lease.job
            waiting = job.unanswered_since if job else None
            lease = health.SeenLease(
                session.lease.epoch,
                job.id if job else "",
                ended=job is None,
                failed=job.failed if job else "",
                silent_for=self.now - waiting if waiting is not None else 0.0,
            )
        agents = tuple(
            health.SeenAgent(job.sid, f"agent-{job.id}", job.id, job.joined_at, job.ready)
            for job in session.agents.values()
        )
        return health.SeenRoom(
            session.name, exists=session.exists, humans=len(session.humans), agents=agents, lease=lease
        )

    def wanted(self, session: Session) -> Any | None:
        if session.ended:
            return None
        wobble = self.draw.choice([0.0, 0.0, 3600.0]) if self.draw.random() < 0.01 else 0.0
        return self.core.room_health.Wanted(
            session.name,
            resident=session.resident,
            close_after=120.0,
            expected=self.now < session.expected_until,
            attempts=session.attempts,
            attempted_at=session.attempted_at + wobble,
            recycled_at=session.recycled_at,
            workers=sum(worker.alive for worker in self.workers),
            free_slots=sum(worker.free for worker in self.workers),
            reported=session.reported,
        )

    # --- acts ---

    def act(self, session: Session, action: Any, observer: Observer) -> None:
        if not observer.alive or self.locked_at(self.now) or not self.server_up:
            return
        name = type(action).__name__
        self.count(name)
        getattr(self, f"_act_{name}")(session, action)
        self.wake(session, by_us=True)

    def _act_OpenRoom(self, session: Session, _action: Any) -> None:  # noqa: N802 - named after the action
        session.exists = True

    def _act_CloseRoom(self, session: Session, _action: Any) -> None:  # noqa: N802
        if self.now < session.expected_until:
            return
        session.ended = True
        if not session.humans:
            session.exists = False
            for job in list(session.agents.values()):
                self.remove(job, "room_deleted")

    def _act_Dispatch(self, session: Session, action: Any) -> None:  # noqa: N802
        if session.attempts != action.attempt - 1:
            return
        ours = [job for job in session.agents.values() if not job.stranger]
        stale = session.lease.epoch == action.after_epoch and session.lease.job is None
        require(not ours or not stale, "nothing is dispatched before the old agent is gone", f"{session.name} {ours}")
        session.attempts, session.attempted_at = action.attempt, self.now
        for _ in range(2 if self.draw.random() < 0.02 else 1):
            self.dispatch(session, action.after_epoch)

    def _act_RemoveAgent(self, session: Session, action: Any) -> None:  # noqa: N802
        job = session.agents.get(action.sid)
        if job is not None:
            proper = job.stranger or job.dead or session.lease.job is not job
            healthy = job.may_speak(self.now) and job.ready and not proper
            require(not healthy, "a healthy agent is never evicted", f"{session.name} {action}")
            self.remove(job, "participant_removed")

    def _act_Recycle(self, session: Session, action: Any) -> None:  # noqa: N802
        if self.fence(session, action):
            session.recycled_at = (*session.recycled_at, self.now)[-5:]

    def _act_Fence(self, session: Session, action: Any) -> None:  # noqa: N802
        job = session.lease.job
        alive = job is not None and job.epoch == action.epoch and job.frozen_at is None
        require(not alive, "a lease that is renewed is not fenced", f"{session.name} {action}")
        self.fence(session, action)

    def fence(self, session: Session, action: Any) -> bool:
        lease = session.lease
        if lease.epoch != action.epoch or lease.job is None:
            return False
        fenced = lease.job
        lease.job = None
        lease.epoch += 1
        fenced.frozen_at = min(fenced.frozen_at or self.now, self.now)
        if not fenced.dead and fenced.paused_until is None:
            # Its next renewal fails.
            self.after(self.draw.uniform(0, 3), lambda: fenced.tell(self.core.events.LeaseLost("fenced")))
        return True

    def _act_ClearCooldown(self, session: Session, _action: Any) -> None:  # noqa: N802
        session.attempts = 0

    def _act_FreeSeat(self, _session: Session, _action: Any) -> None:  # noqa: N802
        idle = (s.lease.job for s in self.sessions.values() if not s.resident and not s.humans and s.lease.job)
        if job := next((job for job in idle if job.in_room), None):
            job.session.expected_until = self.now
            job.tell(self.core.events.DrainRequested())

    def _act_Report(self, session: Session, action: Any) -> None:  # noqa: N802
        session.reported = str(action.code)

    # --- media server ---

    def wake(self, session: Session, *, by_us: bool = False) -> None:
        """Wakes the observers, after an action of ours or by a webhook, which may get lost."""
        if by_us or (self.now >= self.webhooks_lost_until and self.draw.random() > 0.02):
            for observer in self.observers:
                observer.wake(session, self.now + 0.05)

    def dispatch(self, session: Session, after_epoch: int) -> None:
        candidates = [worker for worker in self.workers if worker.free > 0]
        if not candidates or self.draw.random() < 0.01:
            self.count("dispatches lost")
            return
        worker = max(candidates, key=lambda candidate: candidate.free)
        self.jobs_ever += 1
        job = Job(self, session, worker, self.jobs_ever)
        worker.jobs[job] = None
        self.after(self.draw.uniform(0.05, 0.4), lambda: self._accept(job, after_epoch))

    def _accept(self, job: Job, after_epoch: int) -> None:
        lease = job.session.lease
        if job.dead:
            return
        if self.locked_at(self.now) or lease.epoch != after_epoch or lease.job is not None or job.session.ended:
            self.count("jobs declined")
            job.worker.jobs.pop(job, None)
            return
        lease.epoch += 1
        lease.job, job.epoch, job.taken_at = job, lease.epoch, self.now
        if self.draw.random() < 0.01:
            self.count("jobs failing to start")
            job.die()
            job.session.recycled_at = (*job.session.recycled_at, self.now)[-5:]
            self.after(0.5, lambda: self.release(job))
            return
        self.after(self.draw.uniform(0.3, 1.2), lambda: self._join(job))

    def _join(self, job: Job) -> None:
        session, ev = job.session, self.core.events
        if job.dead or job.ended:
            return
        if not session.exists or not self.server_up or session.lease.job is not job:
            job.end(release=True)
            return
        # A dead agent whose exit is reported may still be listed when an outsider dispatches its successor.
        listed = [other.id for other in session.agents.values() if not other.stranger and not other.dead]
        require(not listed, "one agent at a time", f"{session.name}: {job.id} joins {listed}")
        job.joined_at, job.in_room = self.now, True
        session.agents[job.sid] = job
        job.machine = self.core.machine.Machine(self.resident_timing if session.resident else self.timing)
        job.tell(ev.JobStarted(session.episode, "a1", job.epoch, session.greeted))
        job.tell(ev.RoomConnected(tuple(session.humans.values())))
        if self.draw.random() > 0.005:
            job.later(self.draw.uniform(0.1, 0.4), ev.AudioPublished)
        self.wake(session)

    def unlist(self, job: Job) -> None:
        job.in_room = False
        job.ready = False
        if job.session.agents.pop(job.sid, None) is not None:
            self.observe("agent.left", job.session, job.sid)
            self.service_changed(job.session)
            self.wake(job.session)

    def remove(self, job: Job, reason: str) -> None:
        """RemoveParticipant: unlisted at once; the process is notified if it still runs."""
        self.unlist(job)
        if not job.stranger and not job.dead:
            self.after(0.05, lambda: self._kicked(job, reason))

    def _kicked(self, job: Job, reason: str) -> None:
        if job.wedged:
            job.end(release=True)  # its supervisor notices the lost connection
        elif job.paused_until is None:
            job.tell(self.core.events.RoomDisconnected(reason))
            job.end(release=True)

    # --- humans ---

    def arrive(self, session: Session, identity: str = "ann") -> str:
        self._serial += 1
        sid = f"PA_h{self._serial}"
        human = self.core.states.Human(sid, identity)
        session.expected_until = self.now + 30.0
        session.humans[sid] = human
        self.observe("human.joined", session, sid)
        self.count("visits")
        first = next(iter(session.humans))
        # If no live agent saw the arrival, the next agent cannot know that the visit began earlier.
        unseen = not any(job.may_speak(self.now) and not job.wedged for job in session.agents.values())
        self.visit_of[sid] = self.counts["visits"] if unseen or first == sid else self.visit_of.get(first, 0)
        for job in list(session.agents.values()):
            if self.now >= job.deaf_until:
                job.tell(self.core.events.HumanJoined(human))
                job.later(self.draw.uniform(0.1, 0.5), lambda: self.core.events.ListenerSubscribed(sid))
        self.service_changed(session)
        self.wake(session)
        return sid

    def depart(self, session: Session, sid: str, *, abrupt: bool = False) -> None:
        if sid not in session.humans:
            return
        if abrupt:
            # The server lists the person until the connection times out.
            self.after(self.draw.uniform(15, 25), lambda: self.depart(session, sid))
            return
        del session.humans[sid]
        self.observe("human.left", session, sid)
        session.last_left = self.now
        for job in list(session.agents.values()):
            if self.now >= job.deaf_until:
                job.tell(self.core.events.HumanLeft(sid))
        self.service_changed(session)
        self.wake(session)

    def say(self, session: Session) -> None:
        """A person in the room says something; the agents that serve the room answer."""
        for job in list(session.agents.values()):
            if job.stranger or job.dead or job.paused_until is not None or not job.in_room:
                continue
            if job.wedged:
                job.unanswered_since = job.unanswered_since or self.now
                continue
            machine = job.machine
            if machine.serving and session.humans and self.now >= job.deaf_until:
                self._serial += 1
                turn, episode = f"t{self._serial}", machine.episode
                self.speaks(job)
                self.count("turns")
                job.tell(self.core.events.TurnStarted(episode, turn))
                job.later(1.0, partial(self.core.events.TurnFinished, episode, turn), episode)

    def speaks(self, job: Job) -> None:
        if not job.may_speak(self.now):
            return
        others = [other.id for other in job.session.agents.values() if other is not job and other.may_speak(self.now)]
        require(not others, "at most one agent speaks in a room", f"{job.session.name}: {job.id} and {others}")

    def service_changed(self, session: Session) -> None:
        """Accounts for the time a human waits without a ready agent."""
        holder = session.lease.job
        served = holder is not None and holder.ready and holder.may_speak(self.now) and not holder.wedged
        if not session.humans or served:
            if session.unserved_since is not None and session.humans:
                self.gaps.append(self.now - session.unserved_since - session.excused)
            session.unserved_since = None
            self.waiting.pop(session.name, None)
        elif session.unserved_since is None:
            session.unserved_since, session.excused = self.now, 0.0
            self.waiting[session.name] = None

    def check_bound(self, bound: float) -> None:
        """No room with a human waits longer than `bound` for a ready agent, unless the failure was reported to it."""
        for name in list(self.waiting):
            session = self.sessions[name]
            self.service_changed(session)  # a holder may speak again as soon as a renewal goes through
            since = session.unserved_since
            if since is None or session.ended:
                continue
            if session.reported in ("agent_fails", "no_worker", "worker_full") or not self.server_up:
                session.excused = self.now - since
            waited = self.now - since - session.excused
            require(
                waited <= bound, "a room with a human has a ready agent", f"{session.name} waits for {waited:.1f} s"
            )
        for session in self.sessions.values():
            if session.exists or session.ended or not self.server_up:
                session.missing_since = self.now
            require(self.now - session.missing_since <= bound, "rooms come back", session.name)

    # --- rooms ---

    def open(self, name: str, *, resident: bool = False) -> Session:
        session = Session(name, resident, exists=True, last_left=self.now, missing_since=self.now)
        self.sessions[name] = session
        self.wake(session, by_us=True)
        return session

    def resync(self) -> None:
        """Periodic look at every room, in case webhooks are lost."""
        for session in self.sessions.values():
            for observer in self.observers:
                observer.wake(session, self.now)
