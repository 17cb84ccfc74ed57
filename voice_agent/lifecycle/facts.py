"""What the machine knows, and what an event means in the light of it.

`note()` writes an event into a draft of the facts and names the trigger. It decides nothing: whether the trigger is
allowed is the table's business, what follows is `reactions`'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.absence import Lost
from voice_agent.lifecycle.states import Ack, Greeting, Human, Memory, State, Timer
from voice_agent.lifecycle.table import Trigger


@dataclass(slots=True)
class Facts:
    """One life. Every value is immutable, so that a shallow copy is a safe draft."""

    state: State = State.STARTING
    episode: int = 0
    agent_id: str = ""
    lease_epoch: int = 0
    started: bool = False
    connected: bool = False
    audio: bool = False
    humans: tuple[Human, ...] = ()
    """In order of arrival."""
    listening: frozenset[str] = frozenset()
    linked: str | None = None
    greeted_before: frozenset[str] = frozenset()
    greeting: Greeting = Greeting.NOT_DUE
    lost: Lost = field(default_factory=dict)
    """Who was greeted and lost the connection, or went to connect anew, since the last conversation with another."""
    turns: frozenset[str] = frozenset()
    memory: Memory = Memory.LOADING
    loading: bool = False
    """A `LoadMemory` of this episode has not ended yet."""
    outdated: bool = False
    """Letta holds something newer than what was loaded, or is being loaded."""
    load_failures: int = 0
    snapshot: bool = False
    """A memory of the bound agent was loaded once and can be used again."""
    awaiting: frozenset[Ack] = frozenset()
    reset_since: float | None = None
    wanted_agent: str = ""
    leaving: str = ""
    """Why `LeaveRoom` was asked for; empty before."""
    error: str = ""
    timers: Mapping[Timer, int] = field(default_factory=dict)
    """Running timers and the serial of their start."""
    serial: int = 0

    def draft(self) -> Facts:
        """A copy to write on. By hand: this is done for every event, and `copy` takes five times as long."""
        fresh = object.__new__(Facts)
        for name in Facts.__slots__:
            setattr(fresh, name, getattr(self, name))
        return fresh

    @property
    def serving(self) -> bool:
        """Somebody is here and is being talked to: engaged, or a visit that a draining agent still finishes."""
        return self.state is State.ENGAGED or (self.state is State.DRAINING and not self.leaving)

    @property
    def ready(self) -> bool:
        return self.state is State.READY or self.serving


def note(facts: Facts, event: ev.Event) -> Trigger:
    """Write `event` into `facts`; say what it amounts to."""
    return _NOTES[type(event)](facts, event)


def _job_started(facts: Facts, event: ev.JobStarted) -> Trigger:
    if facts.started:
        return Trigger.CONTRADICTION
    facts.started = True
    facts.episode = event.last_episode + 1
    facts.agent_id = event.agent_id
    facts.lease_epoch = event.lease_epoch
    facts.greeted_before = event.greeted
    return Trigger.JOB_STARTED


def _room_connected(facts: Facts, event: ev.RoomConnected) -> Trigger:
    if not facts.started or facts.connected:
        return Trigger.CONTRADICTION
    facts.connected = True
    _humans(facts, event.humans)
    return _prepared(facts) or Trigger.ROOM_CONNECTED


def _room_disconnected(facts: Facts, _event: ev.RoomDisconnected) -> Trigger:
    facts.connected = False
    return Trigger.ROOM_DISCONNECTED


def _audio_published(facts: Facts, _event: ev.AudioPublished) -> Trigger:
    facts.audio = True
    return _prepared(facts) or Trigger.AUDIO_PUBLISHED


# --- humans ---


def _humans(facts: Facts, now: tuple[Human, ...]) -> Trigger:
    """The set of humans becomes `now`. A human who reconnected (same identity, new sid) counts as one who stayed."""
    before, facts.humans = facts.humans, now
    facts.listening &= {human.sid for human in now}
    if [human.sid for human in before] == [human.sid for human in now]:
        return Trigger.NOTHING_NEW
    if not now:
        facts.greeting = Greeting.NOT_DUE
        return Trigger.LAST_HUMAN_LEFT
    known = {human.sid for human in before} | {human.identity for human in before}
    if any(human.sid in known or human.identity in known for human in now):
        return Trigger.HUMANS_CHANGED
    greeted = any(human.sid in facts.greeted_before for human in now)
    facts.greeting = Greeting.DONE if greeted else Greeting.DUE
    return Trigger.HUMANS_REPLACED if before else Trigger.FIRST_HUMAN


def _human_joined(facts: Facts, event: ev.HumanJoined) -> Trigger:
    if any(human.sid == event.human.sid for human in facts.humans):
        return Trigger.NOTHING_NEW
    return _humans(facts, (*facts.humans, event.human))


def _human_left(facts: Facts, event: ev.HumanLeft) -> Trigger:
    return _humans(facts, tuple(human for human in facts.humans if human.sid != event.sid))


def _humans_scanned(facts: Facts, event: ev.HumansScanned) -> Trigger:
    return _humans(facts, event.humans)


def _listener_subscribed(facts: Facts, event: ev.ListenerSubscribed) -> Trigger:
    present = {human.sid for human in facts.humans}
    facts.listening |= present if event.sid is None else present & {event.sid}
    return Trigger.LISTENER_SUBSCRIBED


def _speaker_changed(facts: Facts, event: ev.SpeakerChanged) -> Trigger:
    known = any(human.sid == event.sid for human in facts.humans)
    if not known or not facts.serving or facts.linked == event.sid:
        return Trigger.NOTHING_NEW
    return Trigger.SPEAKER_CHANGED


# --- memory and preparation ---


def _prepared(facts: Facts) -> Trigger | None:
    """Is the last thing that was missing there now?"""
    if facts.memory is Memory.LOADING:
        return None
    if facts.state in (State.STARTING, State.LOADING_MEMORY):
        if not (facts.connected and facts.audio):
            return None
    elif facts.state is not State.RESETTING or facts.awaiting:
        return None
    if facts.wanted_agent:
        return Trigger.PREPARED_FOR_SWITCH
    return Trigger.PREPARED_OCCUPIED if facts.humans else Trigger.PREPARED_EMPTY


def _memory_settled(facts: Facts, event: ev.MemoryLoaded | ev.MemoryLoadFailed) -> Trigger:
    if not facts.loading:
        return Trigger.CONTRADICTION
    facts.loading = False
    if isinstance(event, ev.MemoryLoaded):
        facts.snapshot = True
        facts.memory = Memory.FRESH if event.fresh else Memory.STALE
    else:
        facts.snapshot = facts.snapshot or event.has_snapshot
        facts.memory = _without_load(facts)
    facts.load_failures = 0 if facts.memory is Memory.FRESH else facts.load_failures + 1
    return _prepared(facts) or Trigger.MEMORY_SETTLED


def _without_load(facts: Facts) -> Memory:
    return Memory.STALE if facts.snapshot else Memory.ABSENT


def _sync_finished(facts: Facts, event: ev.SyncFinished) -> Trigger:
    facts.outdated = facts.outdated or event.changed
    return Trigger.SYNC_CHANGED if event.changed else Trigger.NOTHING_NEW


# --- reset ---


def _switch_requested(facts: Facts, event: ev.SwitchAgentRequested) -> Trigger:
    facts.wanted_agent = event.agent_id
    return Trigger.SWITCH_REQUESTED


def _acknowledged(facts: Facts, ack: Ack) -> Trigger:
    if facts.state in (State.DRAINING, State.FAILED, State.CLOSED):
        return Trigger.TEARDOWN_STEP
    if ack not in facts.awaiting:
        return Trigger.CONTRADICTION
    facts.awaiting -= {ack}
    if facts.awaiting:
        return Trigger.TEARDOWN_STEP
    return Trigger.TORN_DOWN if ack is Ack.HISTORY_CLEARED else Trigger.EPISODE_STOPPED


# --- conversation ---


def _greeting_ended(facts: Facts, _event: ev.Event) -> Trigger:
    if facts.greeting is Greeting.SPEAKING:
        facts.greeting = Greeting.DONE
    return Trigger.GREETING_ENDED


def _turn_started(facts: Facts, event: ev.TurnStarted) -> Trigger:
    if facts.serving:
        facts.turns |= {event.turn_id}
    return Trigger.TURN_STARTED


def _turn_finished(facts: Facts, event: ev.TurnFinished) -> Trigger:
    facts.turns -= {event.turn_id}
    return Trigger.TURN_FINISHED


# --- time, lease, end ---


def _timer_fired(facts: Facts, event: ev.TimerFired) -> Trigger:
    facts.timers = {timer: serial for timer, serial in facts.timers.items() if timer is not event.timer}
    if event.timer in _OVERDUE:
        return _OVERDUE[event.timer](facts)
    return _DUE[event.timer]


def _start_overdue(facts: Facts) -> Trigger:
    if facts.memory is Memory.LOADING:
        facts.memory = _without_load(facts)
    return _prepared(facts) or Trigger.START_OVERDUE


def _reset_overdue(facts: Facts) -> Trigger:
    if facts.awaiting:
        return Trigger.TEARDOWN_LATE
    facts.memory = _without_load(facts)
    return _prepared(facts) or Trigger.CONTRADICTION


def _grace_overdue(facts: Facts) -> Trigger:
    return Trigger.TEARDOWN_STUCK if facts.awaiting else _reset_overdue(facts)


_OVERDUE: Final[Mapping[Timer, Callable[[Facts], Trigger]]] = {
    Timer.START_DEADLINE: _start_overdue,
    Timer.RESET_DEADLINE: _reset_overdue,
    Timer.TEARDOWN_GRACE: _grace_overdue,
}

_DUE: Final[Mapping[Timer, Trigger]] = {
    Timer.GREETING: Trigger.GREETING_WAITED,
    Timer.QUIET: Trigger.QUIET,
    Timer.DEPARTURE: Trigger.DEPARTURE_DUE,
    Timer.MEMORY_RETRY: Trigger.MEMORY_RETRY,
    Timer.DRAIN_LIMIT: Trigger.DRAIN_OVERDUE,
}


def _lease_granted(facts: Facts, event: ev.LeaseGranted) -> Trigger:
    facts.lease_epoch = event.epoch
    return Trigger.LEASE_GRANTED


def _failure(facts: Facts, event: ev.Failure) -> Trigger:
    facts.error = facts.error or (f"{event.code}: {event.message}" if event.message else event.code)
    return Trigger.FAILURE


def _just(trigger: Trigger) -> Callable[[Facts, ev.Event], Trigger]:
    return lambda _facts, _event: trigger


_NOTES: Final[Mapping[type[ev.Event], Callable[[Facts, Any], Trigger]]] = {
    ev.JobStarted: _job_started,
    ev.RoomConnected: _room_connected,
    ev.RoomReconnected: _just(Trigger.ROOM_RECONNECTED),
    ev.RoomDisconnected: _room_disconnected,
    ev.AudioPublished: _audio_published,
    ev.HumanJoined: _human_joined,
    ev.HumanLeft: _human_left,
    ev.HumansScanned: _humans_scanned,
    ev.ListenerSubscribed: _listener_subscribed,
    ev.SpeakerChanged: _speaker_changed,
    ev.MemoryLoaded: _memory_settled,
    ev.MemoryLoadFailed: _memory_settled,
    ev.SyncStarted: _just(Trigger.NOTHING_NEW),
    ev.SyncFinished: _sync_finished,
    ev.ResetRequested: _just(Trigger.RESET_REQUESTED),
    ev.SwitchAgentRequested: _switch_requested,
    ev.SpeechStopped: lambda facts, _event: _acknowledged(facts, Ack.SPEECH_STOPPED),
    ev.TasksEnded: lambda facts, _event: _acknowledged(facts, Ack.TASKS_ENDED),
    ev.HistoryCleared: lambda facts, _event: _acknowledged(facts, Ack.HISTORY_CLEARED),
    ev.GreetingFinished: _greeting_ended,
    ev.GreetingFailed: _greeting_ended,
    ev.TurnStarted: _turn_started,
    ev.TurnFinished: _turn_finished,
    ev.TimerFired: _timer_fired,
    ev.LeaseGranted: _lease_granted,
    ev.LeaseLost: _just(Trigger.LEASE_LOST),
    ev.DrainRequested: _just(Trigger.DRAIN_REQUESTED),
    ev.ShutdownRequested: _just(Trigger.SHUTDOWN),
    ev.Failure: _failure,
}
