"""Lifecycle machine: one event in, its effects out. No clock, no I/O; `now` is passed in (monotonic seconds)."""

from __future__ import annotations

from voice_agent.errors import Code, Permanent
from voice_agent.lifecycle import effects as ef
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.reactions import Step, react
from voice_agent.lifecycle.state_data import StateData, apply
from voice_agent.lifecycle.states import Greeting, Human, Memory, State
from voice_agent.lifecycle.table import TRANSITIONS, Trigger
from voice_agent.lifecycle.timing import Timing


class IllegalTransition(Permanent):
    """The table has no cell for this event; the machine is unchanged."""

    def __init__(self, state: State, event: ev.Event, trigger: Trigger) -> None:
        super().__init__(
            Code.INTERNAL,
            f"{type(event).__name__} ({trigger}) is not possible in state {state}.",
            "Report this with the reconnect log of the room.",
            state=str(state),
            event=type(event).__name__,
            trigger=str(trigger),
        )
        self.state = state
        self.event = event
        self.trigger = trigger

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.state, self.event, self.trigger)


class Machine:
    """Lifecycle of one assistant in one room."""

    def __init__(self, timing: Timing | None = None) -> None:
        self.timing = timing or Timing()
        self.last_trigger: Trigger | None = None
        self._data = StateData()

    def handle(self, event: ev.Event, now: float) -> tuple[ef.Effect, ...]:
        """Apply `event`. Raises `IllegalTransition`, and then nothing has changed."""
        before = self._data
        late = self._late(event)
        if late is not None:
            self.last_trigger = None
            return (late,)
        draft = before.draft()
        trigger = apply(draft, event)
        target = TRANSITIONS[before.state].get(trigger)
        if target is None:
            raise IllegalTransition(before.state, event, trigger)
        draft.state = target
        step = Step(draft, before, event, self.timing, now)
        react(step, trigger)
        self._data = draft
        self.last_trigger = trigger
        return tuple(step.out)

    def _late(self, event: ev.Event) -> ef.Dropped | None:
        data = self._data
        if not isinstance(event, ev.EpisodeEvent):
            return None
        name = type(event).__name__
        if isinstance(event, ev.TimerFired):
            # By serial, not by episode: a reset's deadline outlives the episode it ends.
            running = data.timers.get(event.timer) == event.serial
            return None if running else ef.Dropped(data.episode, name, event.episode, "timer was cancelled")
        if event.episode < data.episode:
            return ef.Dropped(data.episode, name, event.episode, "older episode")
        if event.episode > data.episode:
            raise IllegalTransition(data.state, event, Trigger.CONTRADICTION)
        return None

    # --- what can be read ---

    @property
    def data(self) -> StateData:
        """A copy of the state data."""
        return self._data.draft()

    @property
    def state(self) -> State:
        return self._data.state

    @property
    def episode(self) -> int:
        return self._data.episode

    @property
    def humans(self) -> tuple[Human, ...]:
        return self._data.humans

    @property
    def memory(self) -> Memory:
        return self._data.memory

    @property
    def agent_id(self) -> str:
        return self._data.agent_id

    @property
    def lease_epoch(self) -> int:
        return self._data.lease_epoch

    @property
    def ready(self) -> bool:
        return self._data.ready

    @property
    def serving(self) -> bool:
        """Turns are accepted."""
        return self._data.serving

    @property
    def greeting(self) -> Greeting:
        return self._data.greeting

    @property
    def greeted(self) -> frozenset[str]:
        """Sids of the humans in a greeted visit. The driver stores them for a job that may replace this one."""
        done = self._data.greeting in (Greeting.SPEAKING, Greeting.DONE)
        return frozenset(human.sid for human in self._data.humans) if done else frozenset()

    @property
    def turns(self) -> frozenset[str]:
        return self._data.turns

    @property
    def linked(self) -> str | None:
        return self._data.linked

    @property
    def error(self) -> str:
        return self._data.error
