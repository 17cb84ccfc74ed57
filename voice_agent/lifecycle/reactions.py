"""What a transition causes: effects, and the facts that go with them (timers running, a load under way)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from voice_agent.lifecycle import effects as ef
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.absence import goes_on, lost_now
from voice_agent.lifecycle.facts import Facts
from voice_agent.lifecycle.states import Ack, Greeting, Human, Memory, ResetOutcome, State, Timer
from voice_agent.lifecycle.table import Trigger
from voice_agent.lifecycle.timing import Timing


class Step:
    """One transition being carried out on a draft of the facts."""

    def __init__(self, facts: Facts, before: Facts, event: ev.Event, timing: Timing, now: float) -> None:
        self.facts = facts
        self.before = before
        self.event: Any = event
        self.timing = timing
        self.now = now
        self.out: list[ef.Effect] = []

    # --- small moves ---

    def start(self, timer: Timer, seconds: float) -> None:
        facts = self.facts
        facts.serial += 1
        facts.timers = {**facts.timers, timer: facts.serial}
        self.out.append(ef.StartTimer(facts.episode, timer, seconds, facts.serial))

    def cancel(self, *timers: Timer) -> None:
        facts = self.facts
        self.out += [ef.CancelTimer(facts.episode, timer) for timer in timers if timer in facts.timers]
        facts.timers = {timer: serial for timer, serial in facts.timers.items() if timer not in timers}

    def load(self) -> None:
        self.facts.loading = True
        self.facts.outdated = False
        self.out.append(ef.LoadMemory(self.facts.episode, self.facts.agent_id))

    def link(self, human: Human) -> None:
        self.facts.linked = human.sid
        self.out.append(ef.LinkTo(self.facts.episode, human))

    def greet(self, human: Human) -> None:
        self.cancel(Timer.GREETING)
        self.facts.greeting = Greeting.SPEAKING
        self.out.append(ef.Greet(self.facts.episode, human))

    def drop(self, reason: str) -> None:
        episode = self.facts.episode
        self.out.append(ef.Dropped(episode, type(self.event).__name__, episode, reason))

    def acknowledge_reset(self, outcome: ResetOutcome) -> None:
        since = self.facts.reset_since
        self.facts.reset_since = None
        self.out.append(ef.AcknowledgeReset(self.facts.episode, outcome, 0.0 if since is None else self.now - since))

    # --- passages ---

    def begin_reset(self) -> None:
        facts = self.facts
        self.cancel(*facts.timers)
        facts.awaiting = frozenset({Ack.SPEECH_STOPPED, Ack.TASKS_ENDED})
        facts.linked = None
        if facts.reset_since is None:
            facts.reset_since = self.now
        if facts.greeting is Greeting.SPEAKING:
            facts.greeting = Greeting.DONE
        self.out += [ef.StopSpeech(facts.episode), ef.CancelEpisodeTasks(facts.episode)]
        self.start(Timer.RESET_DEADLINE, self.timing.reset_deadline)

    def begin_episode(self) -> None:
        """Torn down: from here on everything belongs to the next episode."""
        facts = self.facts
        facts.episode += 1
        facts.turns = frozenset()
        facts.memory = Memory.LOADING
        facts.load_failures = 0
        if facts.wanted_agent:
            facts.agent_id, facts.wanted_agent = facts.wanted_agent, ""
            facts.snapshot = False
            self.out.append(ef.RebindAgent(facts.episode, facts.agent_id))
        self.load()

    def begin_service(self) -> None:
        """READY or ENGAGED, from a start or from a reset."""
        facts = self.facts
        self.cancel(Timer.START_DEADLINE, Timer.RESET_DEADLINE, Timer.TEARDOWN_GRACE)
        if facts.reset_since is not None:
            self.acknowledge_reset(ResetOutcome(facts.memory))
        self.follow_memory()
        if facts.humans:
            self.engage()
        elif self.timing.departure is not None:
            self.start(Timer.DEPARTURE, self.timing.departure)

    def engage(self) -> None:
        self.cancel(Timer.DEPARTURE)
        self.link(self.facts.humans[0])
        self.start(Timer.QUIET, self.timing.quiet)
        if self.facts.greeting is Greeting.DUE:
            self.welcome()
        self.facts.lost = {}

    def welcome(self) -> None:
        facts = self.facts
        if goes_on(facts.lost, facts.humans, self.now, self.timing.lost_for):
            facts.greeting = Greeting.DONE
            self.out.append(ef.Resume(facts.episode, facts.humans[0]))
        else:
            self.start(Timer.GREETING, self.timing.greeting_wait)

    def follow_memory(self) -> None:
        """A memory that is not fresh is tried again, later and later."""
        if self.facts.memory is Memory.FRESH:
            self.cancel(Timer.MEMORY_RETRY)
        else:
            self.start(Timer.MEMORY_RETRY, self.timing.retry_after(self.facts.load_failures))

    def leave(self, reason: str) -> None:
        facts = self.facts
        self.cancel(*facts.timers)
        facts.awaiting = frozenset()
        if facts.reset_since is not None:
            self.acknowledge_reset(ResetOutcome.CLOSING)
        if not facts.leaving:
            facts.leaving = reason
            self.out += [
                ef.StopSpeech(facts.episode),
                ef.CancelEpisodeTasks(facts.episode),
                ef.LeaveRoom(facts.episode, reason),
            ]

    # --- what is looked at with every event ---

    def account_for_absence(self, trigger: Trigger) -> None:
        """Who is gone: left, or lost in a conversation that had begun with its greeting."""
        facts, before = self.facts, self.before
        if trigger in _CUTS:
            facts.lost = {}
            return
        if facts.humans is before.humans:
            return
        here = {human.identity for human in facts.humans}
        gone = [human for human in before.humans if human.identity not in here]
        if gone:
            heard_out = before.serving and before.greeting is Greeting.DONE
            everybody = not facts.humans
            facts.lost = lost_now(facts.lost, self.event, gone, self.now, heard_out=heard_out, everybody=everybody)

    def settle(self) -> None:
        facts = self.facts
        if facts.greeting is Greeting.DUE and facts.serving and facts.listening:
            self.greet(next(human for human in facts.humans if human.sid in facts.listening))
        if facts.outdated and not facts.loading and facts.state is State.READY:
            self.load()
        if facts.connected and _face(facts) != _face(self.before):
            self.out.append(
                ef.AnnounceState(
                    episode=facts.episode,
                    state=facts.state,
                    memory=facts.memory,
                    ready=facts.ready,
                    agent_id=facts.agent_id,
                    lease_epoch=facts.lease_epoch,
                    error=facts.error,
                )
            )


def _face(facts: Facts) -> tuple[object, ...]:
    """What others can see of us."""
    visible = (facts.episode, facts.state, facts.memory, facts.ready, facts.agent_id, facts.lease_epoch, facts.error)
    return (facts.connected, *visible)


# --- by trigger ---


def _job_started(step: Step) -> None:
    if step.facts.leaving:
        return
    step.start(Timer.START_DEADLINE, step.timing.start_deadline)
    step.load()


def _reconnected(step: Step) -> None:
    if not step.facts.leaving:
        step.out.append(ef.Rescan(step.facts.episode))


def _memory_settled(step: Step) -> None:
    if step.facts.ready:
        step.follow_memory()


def _humans_changed(step: Step) -> None:
    facts = step.facts
    if not facts.serving:
        return
    known = {human.identity for human in step.before.humans}
    for human in facts.humans:
        if human.identity not in known:
            step.out.append(ef.AcknowledgeArrival(facts.episode, human))
    _relink(step)


def _relink(step: Step) -> None:
    """Keep listening to the same person; else to whoever has been here longest."""
    facts = step.facts
    if facts.linked in {human.sid for human in facts.humans}:
        return
    identity = next((human.identity for human in step.before.humans if human.sid == facts.linked), None)
    same = (human for human in facts.humans if human.identity == identity)
    step.link(next(same, facts.humans[0]))


def _nothing_new(step: Step) -> None:
    # After our own reconnection the tracks are new even if the people are not.
    if isinstance(step.event, ev.HumansScanned) and step.facts.serving and step.facts.humans:
        linked = step.facts.linked
        step.link(next(human for human in step.facts.humans if human.sid == linked))


def _last_human_left(step: Step) -> None:
    if step.before.serving and step.facts.state is State.DRAINING:
        step.leave("drained")


def _speaker_changed(step: Step) -> None:
    step.link(next(human for human in step.facts.humans if human.sid == step.event.sid))


def _greeting_waited(step: Step) -> None:
    step.greet(step.facts.humans[0])


def _turn_started(step: Step) -> None:
    if not step.facts.serving:
        step.drop("not in conversation")
    else:
        step.cancel(Timer.QUIET)


def _turn_finished(step: Step) -> None:
    if step.facts.state is State.ENGAGED and not step.facts.turns:
        step.start(Timer.QUIET, step.timing.quiet)


def _quiet(step: Step) -> None:
    step.out.append(ef.Maintain(step.facts.episode))


def _memory_retry(step: Step) -> None:
    if not step.facts.loading:
        step.load()


def _reset_requested(step: Step) -> None:
    if step.facts.state in (State.STARTING, State.LOADING_MEMORY):
        step.acknowledge_reset(ResetOutcome.NOT_NEEDED)
    elif step.facts.state is not State.RESETTING:
        step.acknowledge_reset(ResetOutcome.CLOSING)


def _switch_requested(step: Step) -> None:
    if step.facts.state in (State.DRAINING, State.FAILED, State.CLOSED):
        step.drop("leaving")


def _episode_stopped(step: Step) -> None:
    step.facts.awaiting = frozenset({Ack.HISTORY_CLEARED})
    step.out.append(ef.ClearHistory(step.facts.episode))


def _teardown_late(step: Step) -> None:
    step.start(Timer.TEARDOWN_GRACE, step.timing.teardown_grace)


def _fail(code: str) -> Callable[[Step], None]:
    def fail(step: Step) -> None:
        step.facts.error = code
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
"""Somebody wishes for a new conversation."""
_SERVICE: Final = frozenset({Trigger.PREPARED_EMPTY, Trigger.PREPARED_OCCUPIED})


def react(step: Step, trigger: Trigger) -> None:
    """Perform the transition: the facts already hold the new state."""
    facts, before = step.facts, step.before
    step.account_for_absence(trigger)
    if facts.state is State.RESETTING and (
        before.state is not State.RESETTING or trigger is Trigger.PREPARED_FOR_SWITCH
    ):
        step.begin_reset()
    elif trigger in _SERVICE:
        step.begin_service()
    elif trigger is Trigger.FIRST_HUMAN and facts.state is State.ENGAGED:
        step.engage()
    elif trigger in BY_TRIGGER:
        BY_TRIGGER[trigger](step)
    step.settle()
