"""Room-health monitor: keeps exactly one agent in every room that needs one (observe, decide, act, repeat).

Level-triggered: `wake()` only shortens the wait. It remembers only durations; without them it decides the same, later.
Any number of monitors may run, because every act is claimed in the database first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from voice_agent.contracts import LEASE_RENEWAL, LogEvent
from voice_agent.errors import Code, Temporary, VoiceAgentError
from voice_agent.lifecycle.room_health import Limits, Look, OpenRoom, RemoveAgent, decide
from voice_agent.observe.log import ReconnectLog
from voice_agent.registry.ports import SessionStore
from voice_agent.rooms import metrics
from voice_agent.rooms.actions import Actions
from voice_agent.rooms.livekit import LiveRoom, Participant
from voice_agent.rooms.observation import Observer, View
from voice_agent.rooms.policy import POLICIES
from voice_agent.rooms.repository import RoomRepository

RESYNC: Final = 10.0
"""Seconds between looks at every room, whether or not an event about it arrived."""
_LONGEST_WAIT: Final = 0.5
"""While a room has participants, a held lease or an expected caller: that a worker registered or went, or an agent
left, stands in the database only. Otherwise a webhook or a new session wakes the monitor."""
_AFTER_FAILURE: Final = 1.0
STUCK_AFTER: Final = 300.0
"""Seconds after which a pass over the rooms counts as hung; each request in it has a deadline of seconds."""
_TOUCH_EVERY: Final = 10.0
_LOOK_AT_ONCE: Final = (OpenRoom, RemoveAgent)
"""Actions after which the room needs another one."""


class Monitor:
    def __init__(
        self,
        observer: Observer,
        actions: Actions,
        repository: RoomRepository,
        sessions: SessionStore,
        log: ReconnectLog,
        clock: Callable[[], float],
        adopt: Callable[[LiveRoom], Awaitable[None]],
    ) -> None:
        """`adopt`: called for a room of others that people have joined."""
        self._observer = observer
        self._actions = actions
        self._repository = repository
        self._sessions = sessions
        self._log = log
        self._clock = clock
        self._adopt_room = adopt
        self._not_adopted: dict[str, str] = {}
        """LiveKit's id of the room → why."""
        self._limits = Limits()
        self._woken = asyncio.Event()
        self._called: set[str] = set()
        self._due: dict[str, float] = {}
        self._pulse_at = 0.0
        self._resync_at = 0.0
        self._touched: dict[str, float] = {}
        self._present: dict[str, tuple[int, int]] = {}
        self._alone_since: dict[str, float] = {}
        self._at_stake: set[str] = set()
        """Rooms with participants, a held lease, an expected caller or a resident agent."""
        self._outage = ""
        self._passed_at = time.monotonic()

    def wake(self, room: str = "") -> None:
        """Shortens the wait for this room; without a name, for all rooms."""
        if room:
            self._called.add(room)
        else:
            self._resync_at = 0.0
        self._woken.set()

    async def joined(self, room: str, participant: Participant) -> None:
        """Removes a participant with the token of an ended session at once, however long a pass takes."""
        self.wake(room)
        session = participant.session_id
        if not (participant.is_human and session) or not await self._sessions.over({session}):
            return
        record = await self._repository.get(room)
        if record is not None and POLICIES[record.policy].made_by_us:
            await self._actions.remove_caller(room, participant, self._clock())

    async def run(self) -> None:
        """Until cancelled. A service that is away or refuses us (a wrong key) is logged once and tried again."""
        while True:
            self._woken.clear()
            try:
                await self.check(time.monotonic())
                self._outage = ""
            except VoiceAgentError as error:
                self._resync_at = time.monotonic() + _AFTER_FAILURE
                if error.code != self._outage:  # once per outage
                    self._outage = error.code
                    self._log.write(LogEvent.NOTICE, **error.as_dict())
            self._passed_at = time.monotonic()
            await self._wait()

    async def watch(self, patience: float = STUCK_AFTER) -> None:
        """Watchdog of `run`, until cancelled. Raises when `run` hangs: rooms would lack an agent without any error."""
        while True:
            passed = time.monotonic() - self._passed_at
            if passed >= patience:
                break
            await asyncio.sleep(patience - passed)
        raise Temporary(
            Code.INTERNAL,
            f"The room-health monitor has not come through its rooms for {patience:g} s.",
            "It starts anew with this process; report it if it comes back.",
        )

    async def check(self, now: float) -> None:
        """One pass over the rooms that are due."""
        if now >= self._pulse_at:
            await self._observer.pulse(now)
            self._pulse_at = now + LEASE_RENEWAL
        everything = now >= self._resync_at or await self._observer.workers_changed(now)
        given_up = await self._observer.given_up()
        called, self._called = self._called | given_up, set()
        due = {room for room, at in self._due.items() if at <= now}
        if not (everything or called or due):
            return
        if everything:
            self._resync_at = now + RESYNC
        if everything:
            sight = await self._observer.look_at_all(now)
        else:
            sight = await self._observer.look_at(called | due, now)
        for room in due:
            del self._due[room]
        for view in sight.views:
            await self._attend(view, now)
        for live in sight.adoptable:
            await self._adopt(live, now)
        if everything:
            self._census({view.seen.room for view in sight.views} | {live.name for live in sight.adoptable})
            self._not_adopted = {r.sid: why for r in sight.adoptable if (why := self._not_adopted.get(r.sid))}

    async def _adopt(self, live: LiveRoom, now: float) -> None:
        try:
            await self._adopt_room(live)
            self._due[live.name] = now
        except VoiceAgentError as error:
            if isinstance(error, Temporary):  # else it is tried again when something happens in the room
                self._due[live.name] = now + self._limits.recheck
            if self._not_adopted.get(live.sid) != error.message:  # once for each reason
                self._not_adopted[live.sid] = error.message
                self._log.bind(room=live.name).write(LogEvent.DISPATCH_FAILED, **error.as_dict())

    async def _attend(self, view: View, now: float) -> None:
        room = view.seen.room
        (self._at_stake.add if _matters(view) else self._at_stake.discard)(room)
        try:
            for participant in view.over:
                await self._actions.remove_caller(room, participant, self._clock())
                self._due[room] = now + self._limits.recheck
            if view.unmarked:
                await self._actions.mark(view)
            await self._touch(view)
            if await self._actions.count_failure(view):
                self._due[room] = now
                return
            self._note_presence(view, now)
            wanted = {} if view.wanted is None else {room: view.wanted}
            for action in decide({room: view.seen}, wanted, now, self._limits):
                if isinstance(action, Look):
                    self._due[room] = min(action.at, self._due.get(room, action.at))
                    continue
                await self._actions.perform(action, view)
                if isinstance(action, _LOOK_AT_ONCE):
                    self._due[room] = now
        except VoiceAgentError as error:
            self._due[room] = now + self._limits.recheck
            self._log.bind(room=room).write(LogEvent.DISPATCH_FAILED, **error.as_dict())

    async def _touch(self, view: View) -> None:
        """Stores when a human was last here: a session stays valid for a time after its last human left."""
        humans, room, clock = view.humans, view.seen.room, self._clock()
        if not humans or abs(clock - self._touched.get(room, 0.0)) < _TOUCH_EVERY:
            return
        self._touched[room] = clock
        await self._repository.human_seen(room)
        for session in {human.session_id for human in humans} - {""}:
            await self._sessions.touch(session, clock)

    def _note_presence(self, view: View, now: float) -> None:
        room, seen = view.seen.room, view.seen
        self._present[room] = (seen.humans, len(seen.agents))
        alone = seen.humans > 0 and not any(agent.ready for agent in seen.agents)
        if alone:
            self._alone_since.setdefault(room, now)
        elif (since := self._alone_since.pop(room, None)) is not None and seen.humans:
            metrics.WITHOUT_AGENT.observe(now - since)

    def _census(self, rooms: set[str]) -> None:
        for memory in (self._touched, self._present, self._alone_since, self._due):
            for room in memory.keys() - rooms:
                del memory[room]
        self._at_stake &= rooms
        metrics.ROOMS.set(len(rooms))
        metrics.HUMANS.set(sum(humans for humans, _ in self._present.values()))
        metrics.AGENTS.set(sum(agents for _, agents in self._present.values()))

    async def _wait(self) -> None:
        moments = [*self._due.values(), self._resync_at]
        if self._at_stake or self._outage:
            moments += [self._pulse_at, time.monotonic() + _LONGEST_WAIT]
        pause = max(min(moments) - time.monotonic(), 0.05)
        try:
            async with asyncio.timeout(pause):
                await self._woken.wait()
        except TimeoutError:
            return


def _matters(view: View) -> bool:
    expected = view.wanted is not None and (view.wanted.expected or view.wanted.resident)
    return bool(view.participants) or view.lease.job is not None or expected
