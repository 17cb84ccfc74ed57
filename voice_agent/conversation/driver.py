"""Driver of the lifecycle machine: tells it events, one at a time, and hands its effects to `Effects` in order."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from voice_agent.lifecycle import effects as fx
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.machine import IllegalTransition, Machine
from voice_agent.lifecycle.states import State, Timer
from voice_agent.observe.journal import Journal

if TYPE_CHECKING:
    from voice_agent.conversation.effects import Effects


class Driver:
    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._effects: Effects | None = None
        self._timers: dict[Timer, asyncio.TimerHandle] = {}
        self._queue: deque[ev.Event] = deque()
        self._telling = False
        self.serves = asyncio.Event()
        """Set while the machine serves somebody."""

    @property
    def machine(self) -> Machine:
        return self.journal.machine

    def attach(self, effects: Effects) -> None:
        """Must be called before the first event."""
        self._effects = effects

    def tell(self, event: ev.Event) -> None:
        """An event that is told while another is handled is handled after it."""
        self._queue.append(event)
        if self._telling:
            return
        self._telling = True
        try:
            while self._queue:
                self._handle(self._queue.popleft())
        finally:
            self._telling = False

    def close(self) -> None:
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()

    def start_timer(self, effect: fx.StartTimer) -> None:
        self.cancel_timer(effect.timer)
        loop = asyncio.get_running_loop()
        self._timers[effect.timer] = loop.call_later(effect.seconds, self.tell, effect.fired())

    def cancel_timer(self, timer: Timer) -> None:
        if handle := self._timers.pop(timer, None):
            handle.cancel()

    def _handle(self, event: ev.Event) -> None:
        assert self._effects is not None
        machine = self.machine
        greeted = machine.greeted
        try:
            effects = self.journal.handle(event, time.monotonic())
        except IllegalTransition:
            return  # the journal has logged it; nothing has changed
        if machine.serving:
            self.serves.set()
        else:
            self.serves.clear()
        if machine.greeted != greeted:
            self._effects.remember_greeted()
        for effect in effects:
            self._effects.perform_safely(effect)
        if machine.state in (State.CLOSED, State.FAILED):
            self._effects.end(type(event).__name__)
