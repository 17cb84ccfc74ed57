"""Journal of a lifecycle machine: logs each transition with its event and effects, enough for a replay."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any, Final

from voice_agent.contracts import LogEvent
from voice_agent.lifecycle import codec
from voice_agent.lifecycle import effects as ef
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.machine import IllegalTransition, Machine
from voice_agent.lifecycle.state_data import StateData
from voice_agent.lifecycle.states import State
from voice_agent.lifecycle.table import Trigger
from voice_agent.observe.log import BoundLog

Lines = Iterator[tuple[LogEvent, dict[str, Any]]]


class Journal:
    """Wrapper of a machine: `handle()` also logs, `performed()` logs the outcome of an effect that runs as a task."""

    def __init__(self, log: BoundLog, machine: Machine) -> None:
        self._log = log
        self._life = uuid.uuid4().hex[:12]
        self.machine = machine

    def handle(self, event: ev.Event, now: float) -> tuple[ef.Effect, ...]:
        machine = self.machine
        before = machine.data
        try:
            effects = machine.handle(event, now)
        except IllegalTransition as error:
            self._write(LogEvent.ILLEGAL, state=error.state, trigger=error.trigger, cause=codec.dump(event))
            raise
        after = machine.data
        late = next((effect for effect in effects if isinstance(effect, ef.Dropped)), None)
        if late is not None:
            self._write(LogEvent.STALE_RESULT, reason=late.reason, of_episode=late.of_episode, cause=codec.dump(event))
        if machine.last_trigger is not None and not _repeats(event, machine.last_trigger):
            self._write(LogEvent.TRANSITION, **self._transition(before, after, event, effects))
        for name, details in _story(before, after, event, effects, machine.last_trigger):
            self._write(name, **details)
        return effects

    def performed(self, effect: ef.Effect, outcome: str, duration: float) -> None:
        """`outcome`: ok, failed or cancelled; `duration` in seconds."""
        detail = {
            item.name: codec.plain(getattr(effect, item.name)) for item in fields(effect) if item.name != "episode"
        }
        self._write(
            LogEvent.EFFECT,
            effect=type(effect).__name__,
            of_episode=effect.episode,
            detail=detail,
            outcome=outcome,
            duration_ms=round(duration * 1000, 1),
        )

    def write(self, event: LogEvent, **details: Any) -> None:
        """Log a line of another module about this assistant."""
        self._write(event, **details)

    def _write(self, event: LogEvent, **details: Any) -> None:
        self._log.bind(episode=self.machine.episode, agent=self.machine.agent_id).write(
            event, life=self._life, **details
        )

    def _transition(
        self, before: StateData, after: StateData, event: ev.Event, effects: tuple[ef.Effect, ...]
    ) -> dict[str, Any]:
        line = {
            "trigger": self.machine.last_trigger,
            "from": before.state,
            "to": after.state,
            "humans": len(after.humans),
            "memory": after.memory,
            "cause": codec.dump(event),
            "effects": [type(effect).__name__ for effect in effects],
        }
        if isinstance(event, ev.JobStarted):
            line["timing"] = asdict(self.machine.timing)
        return line


def _repeats(event: ev.Event, trigger: Trigger) -> bool:
    """LiveKit repeats the active speaker many times a second; one that changes nothing need not be replayed."""
    return isinstance(event, ev.SpeakerChanged) and trigger is Trigger.NOTHING_NEW


def _story(
    before: StateData, after: StateData, event: ev.Event, effects: tuple[ef.Effect, ...], trigger: Trigger | None
) -> Lines:
    """The same transition as lines for people who read the log."""
    were, are = {human.sid for human in before.humans}, {human.sid for human in after.humans}
    for human in after.humans:
        if human.sid not in were:
            yield LogEvent.HUMAN_JOINED, codec.plain(human)
    for human in before.humans:
        if human.sid not in are:
            yield LogEvent.HUMAN_LEFT, {"sid": human.sid, "reason": getattr(event, "reason", "")}
    dropped = any(isinstance(effect, ef.Dropped) for effect in effects)
    if type(event) in _TOLD and not dropped:
        name, tell = _TOLD[type(event)]
        yield name, tell(event)
    if after.state is State.RESETTING and before.state is not State.RESETTING:
        yield LogEvent.RESET_STARTED, {"reason": event.reason if isinstance(event, ev.ResetRequested) else trigger}
    for effect in effects:
        if isinstance(effect, ef.AcknowledgeReset):
            yield LogEvent.RESET_DONE, {"outcome": effect.outcome, "seconds": round(effect.seconds, 3)}


_TOLD: Final[Mapping[type[ev.Event], tuple[LogEvent, Callable[[Any], dict[str, Any]]]]] = {
    ev.JobStarted: (LogEvent.JOB_STARTED, lambda event: {"lease_epoch": event.lease_epoch}),
    ev.MemoryLoaded: (LogEvent.MEMORY_LOADED, lambda event: {"fresh": event.fresh}),
    ev.MemoryLoadFailed: (
        LogEvent.MEMORY_FAILED,
        lambda event: {"code": event.code, "has_snapshot": event.has_snapshot},
    ),
    ev.GreetingFinished: (LogEvent.GREETING, lambda _event: {}),
    ev.GreetingFailed: (LogEvent.NOTICE, lambda event: {"code": event.code, "what": "greeting"}),
    ev.TurnStarted: (LogEvent.TURN_STARTED, lambda event: _turn(event)),
    ev.TurnFinished: (LogEvent.TURN_FINISHED, lambda event: _turn(event)),
    ev.RoomDisconnected: (LogEvent.JOB_ENDED, lambda event: {"reason": event.reason}),
    ev.LeaseLost: (LogEvent.LEASE_LOST, lambda event: {"reason": event.reason}),
}


def _turn(event: ev.TurnStarted | ev.TurnFinished) -> dict[str, str]:
    return {"turn_id": event.turn_id} | ({"session_id": event.session_id} if event.session_id else {})
