"""State data of one assistant, and how each event changes it.

`apply()` writes an event into a draft of the state data and names the trigger. It decides nothing: `table` says whether
the trigger is allowed, `reactions` what follows.
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
class StateData:
    """State of one machine. Every value is immutable, so that a shallow copy is a safe draft."""

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
    """Greeted humans who lost the connection or are reconnecting, since the last conversation with another human."""
    turns: frozenset[str] = frozenset()
    memory: Memory = Memory.LOADING
    loading: bool = False
    """A `LoadMemory` of this episode has not ended yet."""
    outdated: bool = False
    """Letta holds newer memory than what was loaded, or is being loaded."""
    load_failures: int = 0
    snapshot: bool = False
    """A memory of the bound agent was loaded once and can be used again."""
    awaiting: frozenset[Ack] = frozenset()
    reset_since: float | None = None
    wanted_agent: str = ""
    leaving: str = ""
    """Reason of `LeaveRoom`; empty before it."""
    error: str = ""
    timers: Mapping[Timer, int] = field(default_factory=dict)
    """Running timers, each with the serial of its start."""
    serial: int = 0

    def draft(self) -> StateData:
        """A writable copy. Made by hand: every event needs one, and `copy` takes five times as long."""
        fresh = object.__new__(StateData)
        for name in StateData.__slots__:
            setattr(fresh, name, getattr(self, name))
        return fresh

    @property
    def serving(self) -> bool:
        """A conversation is on: engaged, or a draining agent still finishes a visit."""
        return self.state is State.ENGAGED or (self.state is State.DRAINING and not self.leaving)

    @property
    def ready(self) -> bool:
        return self.state is State.READY or self.serving


def apply(data: StateData, event: ev.Event) -> Trigger:
    """Write `event` into `data`; return the trigger."""
    return _NOTES[type(event)](data, event)


def _job_started(data: StateData, event: ev.JobStarted) -> Trigger:
    if data.started:
        return Trigger.CONTRADICTION
    data.started = True
    data.episode = event.last_episode + 1
    data.agent_id = event.agent_id
    data.lease_epoch = event.lease_epoch
    data.greeted_before = event.greeted
    return Trigger.JOB_STARTED


def _room_connected(data: StateData, event: ev.RoomConnected) -> Trigger:
    if not data.started or data.connected:
        return Trigger.CONTRADICTION
    data.connected = True
    _humans(data, event.humans)
    return _prepared(data) or Trigger.ROOM_CONNECTED


def _room_disconnected(data: StateData, _event: ev.RoomDisconnected) -> Trigger:
    data.connected = False
    return Trigger.ROOM_DISCONNECTED


def _audio_published(data: StateData, _event: ev.AudioPublished) -> Trigger:
    data.audio = True
    return _prepared(data) or Trigger.AUDIO_PUBLISHED


# --- humans ---


def _humans(data: StateData, now: tuple[Human, ...]) -> Trigger:
    """Replace the set of humans by `now`. One who reconnected (same identity, new sid) counts as one who stayed."""
    before, data.humans = data.humans, now
    data.listening &= {human.sid for human in now}
    if [human.sid for human in before] == [human.sid for human in now]:
        return Trigger.NOTHING_NEW
    if not now:
        data.greeting = Greeting.NOT_DUE
        return Trigger.LAST_HUMAN_LEFT
    known = {human.sid for human in before} | {human.identity for human in before}
    if any(human.sid in known or human.identity in known for human in now):
        return Trigger.HUMANS_CHANGED
    greeted = any(human.sid in data.greeted_before for human in now)
    data.greeting = Greeting.DONE if greeted else Greeting.DUE
    return Trigger.HUMANS_REPLACED if before else Trigger.FIRST_HUMAN


def _human_joined(data: StateData, event: ev.HumanJoined) -> Trigger:
    if any(human.sid == event.human.sid for human in data.humans):
        return Trigger.NOTHING_NEW
    return _humans(data, (*data.humans, event.human))


def _human_left(data: StateData, event: ev.HumanLeft) -> Trigger:
    return _humans(data, tuple(human for human in data.humans if human.sid != event.sid))


def _humans_scanned(data: StateData, event: ev.HumansScanned) -> Trigger:
    return _humans(data, event.humans)


def _listener_subscribed(data: StateData, event: ev.ListenerSubscribed) -> Trigger:
    present = {human.sid for human in data.humans}
    data.listening |= present if event.sid is None else present & {event.sid}
    return Trigger.LISTENER_SUBSCRIBED


def _speaker_changed(data: StateData, event: ev.SpeakerChanged) -> Trigger:
    known = any(human.sid == event.sid for human in data.humans)
    if not known or not data.serving or data.linked == event.sid:
        return Trigger.NOTHING_NEW
    return Trigger.SPEAKER_CHANGED


# --- memory and preparation ---


def _prepared(data: StateData) -> Trigger | None:
    """The trigger if nothing is missing any more, else None."""
    if data.memory is Memory.LOADING:
        return None
    if data.state in (State.STARTING, State.LOADING_MEMORY):
        if not (data.connected and data.audio):
            return None
    elif data.state is not State.RESETTING or data.awaiting:
        return None
    if data.wanted_agent:
        return Trigger.PREPARED_FOR_SWITCH
    return Trigger.PREPARED_OCCUPIED if data.humans else Trigger.PREPARED_EMPTY


def _memory_settled(data: StateData, event: ev.MemoryLoaded | ev.MemoryLoadFailed) -> Trigger:
    if not data.loading:
        return Trigger.CONTRADICTION
    data.loading = False
    if isinstance(event, ev.MemoryLoaded):
        data.snapshot = True
        data.memory = Memory.FRESH if event.fresh else Memory.STALE
    else:
        data.snapshot = data.snapshot or event.has_snapshot
        data.memory = _without_load(data)
    data.load_failures = 0 if data.memory is Memory.FRESH else data.load_failures + 1
    return _prepared(data) or Trigger.MEMORY_SETTLED


def _without_load(data: StateData) -> Memory:
    return Memory.STALE if data.snapshot else Memory.ABSENT


def _sync_finished(data: StateData, event: ev.SyncFinished) -> Trigger:
    data.outdated = data.outdated or event.changed
    return Trigger.SYNC_CHANGED if event.changed else Trigger.NOTHING_NEW


# --- reset ---


def _switch_requested(data: StateData, event: ev.SwitchAgentRequested) -> Trigger:
    data.wanted_agent = event.agent_id
    return Trigger.SWITCH_REQUESTED


def _acknowledged(data: StateData, ack: Ack) -> Trigger:
    if data.state in (State.DRAINING, State.FAILED, State.CLOSED):
        return Trigger.TEARDOWN_STEP
    if ack not in data.awaiting:
        return Trigger.CONTRADICTION
    data.awaiting -= {ack}
    if data.awaiting:
        return Trigger.TEARDOWN_STEP
    return Trigger.TORN_DOWN if ack is Ack.HISTORY_CLEARED else Trigger.EPISODE_STOPPED


# --- conversation ---


def _greeting_ended(data: StateData, _event: ev.Event) -> Trigger:
    if data.greeting is Greeting.SPEAKING:
        data.greeting = Greeting.DONE
    return Trigger.GREETING_ENDED


def _turn_started(data: StateData, event: ev.TurnStarted) -> Trigger:
    if data.serving:
        data.turns |= {event.turn_id}
    return Trigger.TURN_STARTED


def _turn_finished(data: StateData, event: ev.TurnFinished) -> Trigger:
    data.turns -= {event.turn_id}
    return Trigger.TURN_FINISHED


# --- time, lease, end ---


def _timer_fired(data: StateData, event: ev.TimerFired) -> Trigger:
    data.timers = {timer: serial for timer, serial in data.timers.items() if timer is not event.timer}
    if event.timer in _OVERDUE:
        return _OVERDUE[event.timer](data)
    return _DUE[event.timer]


def _start_overdue(data: StateData) -> Trigger:
    if data.memory is Memory.LOADING:
        data.memory = _without_load(data)
    return _prepared(data) or Trigger.START_OVERDUE


def _reset_overdue(data: StateData) -> Trigger:
    if data.awaiting:
        return Trigger.TEARDOWN_LATE
    data.memory = _without_load(data)
    return _prepared(data) or Trigger.CONTRADICTION


def _grace_overdue(data: StateData) -> Trigger:
    return Trigger.TEARDOWN_STUCK if data.awaiting else _reset_overdue(data)


_OVERDUE: Final[Mapping[Timer, Callable[[StateData], Trigger]]] = {
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


def _failure(data: StateData, event: ev.Failure) -> Trigger:
    data.error = data.error or (f"{event.code}: {event.message}" if event.message else event.code)
    return Trigger.FAILURE


def _just(trigger: Trigger) -> Callable[[StateData, ev.Event], Trigger]:
    return lambda _data, _event: trigger


_NOTES: Final[Mapping[type[ev.Event], Callable[[StateData, Any], Trigger]]] = {
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
    ev.SyncFinished: _sync_finished,
    ev.ResetRequested: _just(Trigger.RESET_REQUESTED),
    ev.SwitchAgentRequested: _switch_requested,
    ev.SpeechStopped: lambda data, _event: _acknowledged(data, Ack.SPEECH_STOPPED),
    ev.TasksEnded: lambda data, _event: _acknowledged(data, Ack.TASKS_ENDED),
    ev.HistoryCleared: lambda data, _event: _acknowledged(data, Ack.HISTORY_CLEARED),
    ev.GreetingFinished: _greeting_ended,
    ev.GreetingFailed: _greeting_ended,
    ev.TurnStarted: _turn_started,
    ev.TurnFinished: _turn_finished,
    ev.TimerFired: _timer_fired,
    ev.LeaseLost: _just(Trigger.LEASE_LOST),
    ev.DrainRequested: _just(Trigger.DRAIN_REQUESTED),
    ev.ShutdownRequested: _just(Trigger.SHUTDOWN),
    ev.Failure: _failure,
}
