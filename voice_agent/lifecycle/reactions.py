"""Reactions to a transition: effects, and the state data that go with them (running timers, a load in progress)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from voice_agent.lifecycle import effects as ef
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.absence import goes_on, lost_now
from voice_agent.lifecycle.state_data import StateData
from voice_agent.lifecycle.states import Ack, Greeting, Human, Memory, ResetOutcome, State, Timer
from voice_agent.lifecycle.table import Trigger
from voice_agent.lifecycle.timing import Timing


class Step:
    """One transition, carried out on a draft of the state data."""

    def __init__(self, data: StateData, before: StateData, event: ev.Event, timing: Timing, now: float) -> None:
        self.data = data
        self.before = before
        self.event: Any = event
        self.timing = timing
        self.now = now
        self.out: list[ef.Effect] = []

    # --- single steps ---

    def start(self, timer: Timer, seconds: float) -> None:
        data = self.data
        data.serial += 1
        data.timers = {**data.timers, timer: data.serial}
        self.out.append(ef.StartTimer(data.episode, timer, seconds, data.serial))

    def cancel(self, *timers: Timer) -> None:
        data = self.data
        self.out += [ef.CancelTimer(data.episode, timer) for timer in timers if timer in data.timers]
        data.timers = {timer: serial for timer, serial in data.timers.items() if timer not in timers}

    def load(self) -> None:
        self.data.loading = True
        self.data.outdated = False
        self.out.append(ef.LoadMemory(self.data.episode, self.data.agent_id))

    def link(self, human: Human) -> None:
        self.data.linked = human.sid
        self.out.append(ef.LinkTo(self.data.episode, human))

    def greet(self, human: Human) -> None:
        self.cancel(Timer.GREETING)
        self.data.greeting = Greeting.SPEAKING
        self.out.append(ef.Greet(self.data.episode, human))

    def drop(self, reason: str) -> None:
        episode = self.data.episode
        self.out.append(ef.Dropped(episode, type(self.event).__name__, episode, reason))

    def acknowledge_reset(self, outcome: ResetOutcome) -> None:
        since = self.data.reset_since
        self.data.reset_since = None
        self.out.append(ef.AcknowledgeReset(self.data.episode, outcome, 0.0 if since is None else self.now - since))

    # --- sequences of steps ---

    def begin_reset(self) -> None:
        data = self.data
        self.cancel(*data.timers)
        data.awaiting = frozenset({Ack.SPEECH_STOPPED, Ack.TASKS_ENDED})
        data.linked = None
        if data.reset_since is None:
            data.reset_since = self.now
        if data.greeting is Greeting.SPEAKING:
            data.greeting = Greeting.DONE
        self.out += [ef.StopSpeech(data.episode), ef.CancelEpisodeTasks(data.episode)]
        self.start(Timer.RESET_DEADLINE, self.timing.reset_deadline)

    def begin_episode(self) -> None:
        """The teardown is done: from here on everything belongs to the next episode."""
        data = self.data
        data.episode += 1
        data.turns = frozenset()
        data.memory = Memory.LOADING
        data.load_failures = 0
        if data.wanted_agent:
            data.agent_id, data.wanted_agent = data.wanted_agent, ""
            data.snapshot = False
            self.out.append(ef.RebindAgent(data.episode, data.agent_id))
        self.load()

    def begin_service(self) -> None:
        """Enter READY or ENGAGED, from a start or from a reset."""
        data = self.data
        self.cancel(Timer.START_DEADLINE, Timer.RESET_DEADLINE, Timer.TEARDOWN_GRACE)
        if data.reset_since is not None:
            self.acknowledge_reset(ResetOutcome(data.memory))
        self.follow_memory()
        if data.humans:
            self.engage()
        elif self.timing.departure is not None:
            self.start(Timer.DEPARTURE, self.timing.departure)

    def engage(self) -> None:
        self.cancel(Timer.DEPARTURE)
        self.link(self.data.humans[0])
        self.start(Timer.QUIET, self.timing.quiet)
        if self.data.greeting is Greeting.DUE:
            self.welcome()
        self.data.lost = {}

    def welcome(self) -> None:
        data = self.data
        if goes_on(data.lost, data.humans, self.now, self.timing.lost_for):
            data.greeting = Greeting.DONE
            self.out.append(ef.Resume(data.episode, data.humans[0]))
        else:
            self.start(Timer.GREETING, self.timing.greeting_wait)

    def follow_memory(self) -> None:
        """Schedule another load of memory that is not fresh, with growing delays."""
        if self.data.memory is Memory.FRESH:
            self.cancel(Timer.MEMORY_RETRY)
        else:
            self.start(Timer.MEMORY_RETRY, self.timing.retry_after(self.data.load_failures))

    def leave(self, reason: str) -> None:
        data = self.data
        self.cancel(*data.timers)
        data.awaiting = frozenset()
        if data.reset_since is not None:
            self.acknowledge_reset(ResetOutcome.CLOSING)
        if not data.leaving:
            data.leaving = reason
            self.out += [
                ef.StopSpeech(data.episode),
                ef.CancelEpisodeTasks(data.episode),
                ef.LeaveRoom(data.episode, reason),
            ]

    # --- for every event ---

    def account_for_absence(self, trigger: Trigger) -> None:
        """Record who is gone: left, or lost in a conversation whose greeting was done."""
        data, before = self.data, self.before
        if trigger in _CUTS:
            data.lost = {}
            return
        if data.humans is before.humans:
            return
        here = {human.identity for human in data.humans}
        gone = [human for human in before.humans if human.identity not in here]
        if gone:
            heard_out = before.serving and before.greeting is Greeting.DONE
            everybody = not data.humans
            data.lost = lost_now(data.lost, self.event, gone, self.now, heard_out=heard_out, everybody=everybody)

    def settle(self) -> None:
        data = self.data
        if data.greeting is Greeting.DUE and data.serving and data.listening:
            self.greet(next(human for human in data.humans if human.sid in data.listening))
        if data.outdated and not data.loading and data.state is State.READY:
            self.load()
        if data.connected and _face(data) != _face(self.before):
            self.out.append(
                ef.AnnounceState(
                    episode=data.episode,
                    state=data.state,
                    memory=data.memory,
                    ready=data.ready,
                    agent_id=data.agent_id,
                    lease_epoch=data.lease_epoch,
                    error=data.error,
                )
            )


def _face(data: StateData) -> tuple[object, ...]:
    """The state that clients can see."""
    visible = (data.episode, data.state, data.memory, data.ready, data.agent_id, data.lease_epoch, data.error)
    return (data.connected, *visible)


# --- by trigger ---


def _job_started(step: Step) -> None:
    if step.data.leaving:
        return
    step.start(Timer.START_DEADLINE, step.timing.start_deadline)
    step.load()


def _reconnected(step: Step) -> None:
    if not step.data.leaving:
        step.out.append(ef.Rescan(step.data.episode))


def _memory_settled(step: Step) -> None:
    if step.data.ready:
        step.follow_memory()


def _humans_changed(step: Step) -> None:
    data = step.data
    if not data.serving:
        return
    known = {human.identity for human in step.before.humans}
    for human in data.humans:
        if human.identity not in known:
            step.out.append(ef.AcknowledgeArrival(data.episode, human))
    _relink(step)


def _relink(step: Step) -> None:
    """Keep listening to the same human; else to the one who has been here longest."""
    data = step.data
    if data.linked in {human.sid for human in data.humans}:
        return
    identity = next((human.identity for human in step.before.humans if human.sid == data.linked), None)
    same = (human for human in data.humans if human.identity == identity)
    step.link(next(same, data.humans[0]))


def _nothing_new(step: Step) -> None:
    # After the agent's own reconnection the tracks are new even if the humans are not.
    if isinstance(step.event, ev.HumansScanned) and step.data.serving and step.data.humans:
        linked = step.data.linked
        step.link(next(human for human in step.data.humans if human.sid == linked))


def _last_human_left(step: Step) -> None:
    if step.before.serving and step.data.state is State.DRAINING:
        step.leave("drained")


def _speaker_changed(step: Step) -> None:
    step.link(next(human for human in step.data.humans if human.sid == step.event.sid))


def _greeting_waited(step: Step) -> None:
    step.greet(step.data.humans[0])


def _turn_started(step: Step) -> None:
    if not step.data.serving:
        step.drop("not in conversation")
    else:
        step.cancel(Timer.QUIET)


def _turn_finished(step: Step) -> None:
    if step.data.state is State.ENGAGED and not step.data.turns:
        step.start(Timer.QUIET, step.timing.quiet)


def _quiet(step: Step) -> None:
    step.out.append(ef.AllowReflection(step.data.episode))


def _memory_retry(step: Step) -> None:
    if not step.data.loading:
        step.load()


def _reset_requested(step: Step) -> None:
    if step.data.state in (State.STARTING, State.LOADING_MEMORY):
        step.acknowledge_reset(ResetOutcome.NOT_NEEDED)
    elif step.data.state is not State.RESETTING:
        step.acknowledge_reset(ResetOutcome.CLOSING)


def _switch_requested(step: Step) -> None:
    if step.data.state in (State.DRAINING, State.FAILED, State.CLOSED):
        step.drop("leaving")


def _episode_stopped(step: Step) -> None:
    step.data.awaiting = frozenset({Ack.HISTORY_CLEARED})
    step.out.append(ef.ClearHistory(step.data.episode))


def _teardown_late(step: Step) -> None:
    step.start(Timer.TEARDOWN_GRACE, step.timing.teardown_grace)


def _fail(code: str) -> Callable[[Step], None]:
    def fail(step: Step) -> None:
        step.data.error = code
        step.leave(f"failed: {code}")

    return fail


def _failure(step: Step) -> None:
    step.leave(f"failed: {step.event.code}")


def _leave(reason: str) -> Callable[[Step], None]:
    return lambda step: step.leave(reason)


def _drain_requested(step: Step) -> None:
    if step.before.state is State.ENGAGED:
        step.start(Timer.DRAIN_LIMIT, step.timing.drain_limit)
    elif step.before.state is not State.DRAINING:
        step.leave("drained")


BY_TRIGGER: Final[Mapping[Trigger, Callable[[Step], None]]] = {
    Trigger.JOB_STARTED: _job_started,
    Trigger.ROOM_RECONNECTED: _reconnected,
    Trigger.ROOM_DISCONNECTED: lambda step: step.leave(step.event.reason or "disconnected"),
    Trigger.MEMORY_SETTLED: _memory_settled,
    Trigger.START_OVERDUE: _fail("start_overdue"),
    Trigger.HUMANS_CHANGED: _humans_changed,
    Trigger.NOTHING_NEW: _nothing_new,
    Trigger.LAST_HUMAN_LEFT: _last_human_left,
    Trigger.HUMANS_REPLACED: _last_human_left,
    Trigger.SPEAKER_CHANGED: _speaker_changed,
    Trigger.GREETING_WAITED: _greeting_waited,
    Trigger.TURN_STARTED: _turn_started,
    Trigger.TURN_FINISHED: _turn_finished,
    Trigger.QUIET: _quiet,
    Trigger.MEMORY_RETRY: _memory_retry,
    Trigger.RESET_REQUESTED: _reset_requested,
    Trigger.SWITCH_REQUESTED: _switch_requested,
    Trigger.EPISODE_STOPPED: _episode_stopped,
    Trigger.TORN_DOWN: Step.begin_episode,
    Trigger.TEARDOWN_LATE: _teardown_late,
    Trigger.TEARDOWN_STUCK: _fail("teardown_stuck"),
    Trigger.DEPARTURE_DUE: _leave("idle"),
    Trigger.LEASE_LOST: lambda step: step.leave("lease_lost"),
    Trigger.DRAIN_REQUESTED: _drain_requested,
    Trigger.DRAIN_OVERDUE: _leave("drain_limit"),
    Trigger.SHUTDOWN: lambda step: step.leave(step.event.reason),
    Trigger.FAILURE: _failure,
}

_CUTS: Final = frozenset({Trigger.RESET_REQUESTED, Trigger.SWITCH_REQUESTED})
"""Requests for a new conversation."""
_SERVICE: Final = frozenset({Trigger.PREPARED_EMPTY, Trigger.PREPARED_OCCUPIED})


def react(step: Step, trigger: Trigger) -> None:
    """Perform the transition: the state data already hold the new state."""
    data, before = step.data, step.before
    step.account_for_absence(trigger)
    if data.state is State.RESETTING and (
        before.state is not State.RESETTING or trigger is Trigger.PREPARED_FOR_SWITCH
    ):
        step.begin_reset()
    elif trigger in _SERVICE:
        step.begin_service()
    elif trigger is Trigger.FIRST_HUMAN and data.state is State.ENGAGED:
        step.engage()
    elif trigger in BY_TRIGGER:
        BY_TRIGGER[trigger](step)
    step.settle()
