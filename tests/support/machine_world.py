"""Lifecycle machine, a driver that may act like any real one (late, twice, out of order, never), and the laws.

`World` keeps its own account of what happened, written independently of the core, and `tell()` compares each answer of
the machine with it. A broken law raises `LawBrokenError` with the law's name.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.support import core as core_module

OCCUPIED_LEAVES = ("lease_lost", "shutdown", "failed", "drain_limit", "drained", "gone", "disconnected")
BROKEN = ("connection_timeout", "duplicate_identity", "signal_close")
LOST_FOR = 120.0
CALLS = ("first", "second", "")
REASONS = (*BROKEN, "client_initiated", "client_initiated", "participant_removed", "")


class LawBrokenError(AssertionError):
    def __init__(self, law: str, detail: str) -> None:
        super().__init__(f"{law}: {detail}")
        self.law = law


def require(condition: bool, law: str, detail: str) -> None:
    if not condition:
        raise LawBrokenError(law, detail)


class World:
    def __init__(self, core: Any = None, *, resident: bool = False) -> None:
        self.core = core or core_module.load()
        timing = self.core.timing.Timing(departure=None if resident else 300.0)
        self.machine = self.core.machine.Machine(timing)
        self.resident = resident
        self.now = 0.0
        self.pending: list[Any] = []
        """Future results of effects, in any order."""
        self.done: list[Any] = []
        """Results told before, which may be told again."""
        self.fuses: list[Any] = []
        """All StartTimer effects seen, cancelled ones included."""
        self.running: dict[str, Any] = {}
        self.present: dict[str, Any] = {}
        self.gone: list[Any] = []
        self.counter = 0
        self.visits = 0
        self.greeted_visit = -1
        self.greeted_before: frozenset[str] = frozenset()
        self.lost: dict[str, tuple[float, str]] = {}
        """Identity of a greeted person lost since the last conversation began → when, and the call to go on with."""
        self.resets_asked = 0
        self.torn: set[str] = set()
        self.living_tasks: set[int] = set()
        """Episodes whose tasks have not been seen to end."""
        self.history_of: int | None = None
        self.reset_began_at: int | None = None
        self.reset_of = 0
        self.loads: dict[int, int] = {}
        """Episode → tick in which its load began."""
        self.tick = 0
        self.quiet_fired = False
        self.left = False
        self.told: list[str] = []

    # --- telling ---

    def tell(self, event: Any) -> tuple[Any, ...]:
        self.now += 0.01
        self.tick += 1
        self.told.append(type(event).__name__)
        machine = self.machine
        before = machine.data
        try:
            effects: tuple[Any, ...] = machine.handle(event, self.now)
        except self.core.machine.IllegalTransition as error:
            require(machine.data == before, "illegal changes nothing", str(error))
            require(before.state in str(error) and type(event).__name__ in str(error), "illegal names both", str(error))
            return ()
        after = machine.data
        self._account(event, before, after)
        self._check(event, before, after, effects)
        for effect in effects:
            self._perform(effect)
        self._check_standing(after)
        if after.state == "engaged" and before.state != "engaged":
            self.lost = {}
        return effects

    def _account(self, event: Any, before: Any, after: Any) -> None:
        """Our own account of the room, from the events alone."""
        name = type(event).__name__
        were_empty = not self.present
        self._account_for_loss(event, heard_out=before.serving and before.greeting == "done")
        if name == "JobStarted":
            self.greeted_before = event.greeted
        if name == "HumanJoined":
            self.present.setdefault(event.human.sid, event.human)
        elif name == "HumanLeft":
            if (human := self.present.pop(event.sid, None)) is not None:
                self.gone.append(human)
        elif name in ("HumansScanned", "RoomConnected"):
            old = {human.sid for human in self.present.values()} | {human.identity for human in self.present.values()}
            self.present = {human.sid: human for human in event.humans}
            stayed = any(human.sid in old or human.identity in old for human in event.humans)
            were_empty = were_empty or not stayed
        if self.present and were_empty and name in ("HumanJoined", "HumansScanned", "RoomConnected"):
            self.visits += 1
            if self.greeted_before & set(self.present):
                self.greeted_visit = self.visits
        if name == "ResetRequested":
            self.resets_asked += 1
        if name == "TasksEnded" and event.episode == before.episode:
            self.living_tasks.discard(event.episode)
        if name == "HistoryCleared" and event.episode == before.episode:
            self.history_of = None
        if name == "TimerFired" and self.running.get(event.timer) == event.serial:
            del self.running[event.timer]
            self.quiet_fired = self.quiet_fired or event.timer == "quiet"
        of_now = name in ("TurnStarted", "TurnFinished") and event.episode == before.episode
        if of_now or before.state != after.state:
            self.quiet_fired = False

    def _account_for_loss(self, event: Any, *, heard_out: bool) -> None:
        name = type(event).__name__
        here = {human.identity: human.call for human in self.present.values()}
        if name == "HumanLeft":
            left = {human.identity for sid, human in self.present.items() if sid != event.sid}
        elif name == "HumansScanned":
            left = {human.identity for human in event.humans}
        else:
            if name in ("ResetRequested", "SwitchAgentRequested"):
                self.lost = {}
            return
        broken = name == "HumansScanned" or event.reason in BROKEN
        for identity in here.keys() - left:
            # A person who was not greeted yet keeps only an earlier loss that they were coming back from.
            lost = (self.now, "") if heard_out else self.lost.pop(identity, None)
            if not left and not broken:
                self.lost = {}
            call = here[identity]
            anew = not broken and event.reason == "client_initiated" and bool(call)
            if lost and broken:
                self.lost[identity] = lost
            elif lost and anew and lost[1] in ("", call):
                self.lost[identity] = (lost[0], call)
            else:
                self.lost.pop(identity, None)

    def _check_return(self, before: Any, after: Any, names: list[str], detail: str) -> None:
        begins = after.state == "engaged" and before.state != "engaged"
        theirs = bool(self.present) and all(
            human.identity in self.lost
            and self.now - self.lost[human.identity][0] <= LOST_FOR
            and self.lost[human.identity][1] in ("", human.call)
            for human in self.present.values()
        )
        require("Resume" not in names or (begins and theirs), "only who was lost goes on", detail)
        require(not (begins and theirs) or after.greeting == "done", "who was lost is not greeted again", detail)

    def _check(self, event: Any, before: Any, after: Any, effects: tuple[Any, ...]) -> None:
        names = [type(effect).__name__ for effect in effects]
        detail = f"{type(event).__name__} in {before.state}: {names}"
        stale = getattr(event, "episode", after.episode) < before.episode and type(event).__name__ != "TimerFired"
        if stale:
            require(names == ["Dropped"] and after == before, "late results are dropped", detail)
        require(tuple(after.humans) == tuple(self.present.values()), "humans are counted right", detail)
        if before.started:
            require(after.episode - before.episode in (0, 1), "episodes go up one by one", detail)
        for effect in effects:
            require(effect.episode == after.episode, "effects carry the episode", f"{detail} {effect}")
        if after.episode > before.episode and before.episode:
            require(before.episode not in self.living_tasks, "no task outlives its episode", detail)
            require(self.history_of is None, "no history outlives its episode", detail)
            require("LoadMemory" in names, "a new episode loads its memory", detail)
        if before.state == "resetting" and after.ready:
            require(after.episode > self.reset_of, "a reset begins a new episode", detail)
        if before.state != "resetting" and after.state == "resetting":
            self.reset_began_at, self.reset_of = self.tick, before.episode
            require(names.count("StopSpeech") == 1, "a reset stops speech", detail)
            require(names.count("CancelEpisodeTasks") == 1, "a reset ends tasks", detail)
        if before.serving and not self.present and after.state not in ("closed", "failed"):
            require(after.state in ("resetting", "draining"), "the last human left: reset", detail)
        require(names.count("LeaveRoom") <= 1, "the room is left once", detail)
        self._check_return(before, after, names, detail)

    def _perform(self, effect: Any) -> None:
        events = self.core.events
        name = type(effect).__name__
        episode = effect.episode
        if name == "LoadMemory":
            self.loads[episode] = self.tick
            self.living_tasks.add(episode)
            self.pending.append(("load", episode))
        elif name == "StopSpeech":
            self.pending.append(events.SpeechStopped(episode))
        elif name == "CancelEpisodeTasks":
            self.pending = [item for item in self.pending if item not in (("load", episode), ("greet", episode))]
            self.pending.append(events.TasksEnded(episode))
        elif name == "ClearHistory":
            require(episode not in self.living_tasks, "history is cleared after the tasks ended", str(effect))
            self.pending.append(events.HistoryCleared(episode))
        elif name == "StartTimer":
            self.fuses.append(effect)
            self.running[effect.timer] = effect.serial
        elif name == "CancelTimer":
            self.running.pop(effect.timer, None)
        elif name == "Greet":
            self._greeted(effect)
        elif name == "LinkTo":
            require(effect.human.sid in self.present, "listen to somebody who is here", str(effect))
        elif name == "LeaveRoom":
            require(not self.left, "the room is left once", str(effect))
            self.left = True
            if self.present:
                known = effect.reason.startswith(OCCUPIED_LEAVES)
                require(known, "an occupied room is not left", f"{effect.reason}, humans {list(self.present)}")
            self.pending.append(events.RoomDisconnected(effect.reason))
        elif name == "AcknowledgeReset":
            self._acknowledged(effect)
        elif name == "AnnounceState" and effect.ready:
            require(effect.memory != "loading", "ready means memory", str(effect))

    def _greeted(self, effect: Any) -> None:
        data = self.machine.data
        require(bool(self.present), "nothing is spoken to an empty room", str(effect))
        require(effect.human.sid in self.present, "greet somebody who is here", str(effect))
        require(data.serving, "greet only in conversation", str(effect))
        require(self.greeted_visit != self.visits, "one greeting per arrival into an empty room", str(effect))
        self.greeted_visit = self.visits
        self.living_tasks.add(effect.episode)
        self.pending.append(("greet", effect.episode))

    def _acknowledged(self, effect: Any) -> None:
        self.resets_asked = 0
        if effect.outcome in ("not_needed", "closing"):
            return
        loaded_at = self.loads.get(effect.episode)
        began = self.reset_began_at
        in_order = loaded_at is not None and began is not None and loaded_at > began
        require(in_order or effect.outcome != "fresh", "fresh means loaded after the reset began", str(effect))
        require(effect.outcome == self.machine.memory, "the outcome tells the memory", str(effect))

    def _check_standing(self, data: Any) -> None:
        """Laws that hold between events: nothing waits for an event that will never come."""
        running, state = set(data.timers), data.state
        detail = f"{state}, timers {sorted(running)}, after {self.told[-6:]}"
        require(dict(data.timers) == self.running, "timers are what was asked for", detail)
        if state == "ready":
            require(not data.humans, "ready means nobody is here", detail)
            require(self.resident or "departure" in running, "an empty room times out", detail)
        if self.resident or state != "ready":
            require("departure" not in running, "an occupied room does not time out", detail)
        if state == "engaged":
            require(bool(data.humans), "engaged means somebody is here", detail)
            require(data.linked in self.present, "whoever is here is heard", detail)
            heard_out = bool(data.turns) or self.quiet_fired or "quiet" in running
            require(heard_out, "a quiet moment comes", detail)
        if data.serving:
            require(data.greeting != "due" or "greeting" in running, "a greeting that is due comes", detail)
            self.history_of = data.episode
        if data.ready:
            require(data.memory != "loading", "ready means memory", detail)
            kept = data.memory == "fresh" or data.loading or "memory_retry" in running
            require(kept, "a stale memory is tried again", detail)
            require(self.resets_asked == 0 or data.leaving != "", "a reset is answered", detail)
        if state == "resetting":
            require(bool(running & {"reset_deadline", "teardown_grace"}), "a reset ends", detail)
        if state in ("starting", "loading_memory") and data.started:
            require("start_deadline" in running, "a start ends", detail)
        if state == "draining" and not data.leaving:
            require("drain_limit" in running, "a drain ends", detail)
        if data.leaving:
            require(not running, "nothing ticks in an agent that leaves", detail)
            require(self.left, "leaving is done", detail)
            require(self.resets_asked == 0, "a reset is answered", detail)

    # --- what may happen ---

    def new_human(self, identity: str = "", call: str | None = None) -> Any:
        """Without `call`: by turns with a token of the first call, of the second, or of none."""
        self.counter += 1
        call = CALLS[self.counter // 3 % 3] if call is None else call
        return self.core.states.Human(f"PA_{self.counter}", identity or f"user-{self.counter % 3}", call=call)

    def result(self, item: Any, mood: int) -> Any:
        """The event in which pending work ends."""
        events = self.core.events
        if not isinstance(item, tuple):
            return item
        kind, episode = item
        if kind == "load":
            return (
                events.MemoryLoaded(episode),
                events.MemoryLoaded(episode, fresh=False),
                events.MemoryLoadFailed(episode, "letta_unavailable", True),
                events.MemoryLoadFailed(episode, "letta_unavailable", False),
            )[mood % 4]
        return events.GreetingFinished(episode) if mood % 3 else events.GreetingFailed(episode, "tts_failed")

    def deliver(self, index: int, mood: int = 0) -> None:
        if self.pending:
            event = self.result(self.pending.pop(index % len(self.pending)), mood)
            self.done.append(event)
            self.tell(event)

    def fire(self, index: int) -> None:
        """Fires any timer ever started, also a cancelled one."""
        if self.fuses:
            self.tell(self.fuses[index % len(self.fuses)].fired())

    def fire_running(self) -> bool:
        answering = [fuse for fuse in self.fuses if self.running.get(fuse.timer) == fuse.serial]
        bounds = [fuse for fuse in answering if fuse.timer not in ("quiet", "departure", "memory_retry", "drain_limit")]
        if bounds:
            self.tell(min(bounds, key=lambda fuse: fuse.seconds).fired())
        return bool(bounds)

    def passes(self, seconds: float) -> None:
        self.now += seconds

    def settle(self) -> None:
        """Delivers every result and lets every bound expire: the assistant must be in conversation, ready, or gone."""
        for _ in range(60):
            if self.pending:
                self.deliver(0)
            elif not self.fire_running():
                break
        data = self.machine.data
        rest = {"ready", "engaged", "closed"} if data.started else {"starting", "closed"}
        if data.state == "draining":
            require(data.serving, "it comes to rest", f"draining, {data.leaving!r}")
        else:
            require(data.state in rest, "it comes to rest", f"{data.state} after {self.told[-12:]}")
        if data.serving:
            require(data.greeting in ("speaking", "done"), "whoever is here is greeted", str(data.greeting))


def moves(world: World, draw: random.Random) -> list[tuple[float, Callable[[], Any]]]:
    """The possible next steps of a random walk, with weights."""
    events, machine = world.core.events, world.machine
    somebody = list(world.present)
    here = {human.identity for human in world.present.values()}

    def scan() -> None:
        kept = tuple(human for human in world.present.values() if draw.random() < 0.6)
        again = tuple(world.new_human(human.identity) for human in kept[:1]) if draw.random() < 0.3 else kept
        world.tell(events.HumansScanned(again + tuple(world.new_human() for _ in range(draw.randrange(2)))))

    def comes_back() -> None:
        if gone := [human for human in world.gone if human.identity not in here]:
            human = draw.choice(gone[-3:])
            call = human.call if draw.random() < 0.7 else draw.choice(CALLS)
            world.tell(events.HumanJoined(world.new_human(human.identity, call)))

    return [
        (2, comes_back),
        (6, lambda: world.deliver(draw.randrange(99), draw.randrange(99))),
        (2, lambda: world.tell(events.HumanJoined(world.new_human()))),
        (3, lambda: world.tell(events.HumanLeft(draw.choice(somebody) if somebody else "PA_0", draw.choice(REASONS)))),
        (1, lambda: world.passes(draw.choice((10.0, 150.0)))),
        (1, lambda: world.tell(events.HumanJoined(world.present[draw.choice(somebody)])) if somebody else None),
        (2, lambda: world.tell(events.ListenerSubscribed(draw.choice([None, *somebody])))),
        (1, lambda: world.tell(events.SpeakerChanged(draw.choice(somebody) if somebody else "PA_0"))),
        (1, scan),
        (2, lambda: world.tell(events.TurnStarted(machine.episode, f"t{draw.randrange(4)}"))),
        (2, lambda: world.tell(events.TurnFinished(machine.episode - draw.randrange(2), f"t{draw.randrange(4)}"))),
        (2, lambda: world.fire(draw.randrange(999))),
        (1, world.fire_running),
        (0.7, lambda: world.tell(events.ResetRequested())),
        (0.4, lambda: world.tell(events.SwitchAgentRequested(f"agent-{draw.randrange(3)}"))),
        (1, lambda: world.tell(draw.choice(world.done)) if world.done else None),
        (1, lambda: world.tell(draw.choice([events.SyncFinished(), events.AudioPublished()]))),
        (0.5, lambda: world.tell(events.RoomReconnected(full=draw.random() < 0.5))),
        (0.04, lambda: world.tell(events.DrainRequested())),
        (0.02, lambda: world.tell(events.LeaseLost("taken"))),
        (0.02, lambda: world.tell(events.ShutdownRequested())),
        (0.02, lambda: world.tell(events.Failure("internal"))),
        (0.02, lambda: world.tell(events.RoomDisconnected("gone"))),
    ]


def walks(core: Any, seeds: range, steps: int) -> int:
    return sum(walk(core, seed, steps) for seed in seeds)


def walk(core: Any, seed: int, steps: int) -> int:
    """Runs of a seeded random driver, one after the other; returns their number."""
    draw = random.Random(seed)
    lives = 0
    while steps > 0:
        lives += 1
        world = World(core, resident=draw.random() < 0.3)
        events = world.core.events
        present = tuple(world.new_human() for _ in range(draw.randrange(3)))
        greeted = frozenset(human.sid for human in present if draw.random() < 0.3)
        opening = [
            events.JobStarted(draw.randrange(3), "agent-0", 1, greeted),
            events.RoomConnected(present),
            events.AudioPublished(),
        ]
        for event in opening:
            world.tell(event)
        for _ in range(draw.randrange(10, 150)):
            options = moves(world, draw)
            draw.choices([move for _, move in options], [weight for weight, _ in options])[0]()
            steps -= 1
        world.settle()
    return lives
