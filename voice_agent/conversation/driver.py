"""Feeds the machine and hands out its effects: in order, one event at a time, each with its outcome on record."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.lifecycle import effects as fx
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.machine import IllegalTransition
from voice_agent.lifecycle.states import State, Timer
from voice_agent.observe.journal import Journal

Perform = Mapping[type[fx.Effect], Callable[[Any], None]]


class Driver:
    def __init__(
        self,
        journal: Journal,
        on_end: Callable[[str], None],
        on_greeted: Callable[[], None],
        on_error: Callable[[str, BaseException], None],
    ) -> None:
        self._journal = journal
        self._on_error = on_error
        self._on_end = on_end
        self._on_greeted = on_greeted
        self._perform: Perform = {}
        self._timers: dict[Timer, asyncio.TimerHandle] = {}
        self._untold: deque[ev.Event] = deque()
        self._telling = False

    def performs(self, table: Perform) -> None:
        """Who performs which effect; timers are the driver's own."""
        self._perform = {fx.StartTimer: self._start_timer, fx.CancelTimer: self._cancel_timer, **table}

    def tell(self, event: ev.Event) -> None:
        """What effects tell in turn waits its turn."""
        self._untold.append(event)
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                self._handle(self._untold.popleft())
        finally:
            self._telling = False

    def begin(self, effect: fx.Effect, owner: OwnedTasks, work: Coroutine[Any, Any, None]) -> None:
        """Perform an effect that takes time as a task of `owner`. Its outcome is on record even if it never ran."""
        started = time.monotonic()

        def ended(task: asyncio.Task[Any]) -> None:
            outcome = "cancelled" if task.cancelled() else "failed" if task.exception() else "ok"
            self._journal.performed(effect, outcome, time.monotonic() - started)

        owner.start(type(effect).__name__, work).add_done_callback(ended)

    def close(self) -> None:
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()

    def _handle(self, event: ev.Event) -> None:
        machine = self._journal.machine
        greeted = machine.greeted
        try:
            effects = self._journal.handle(event, time.monotonic())
        except IllegalTransition:
            return  # written down by the journal; nothing has changed
        if machine.greeted != greeted:
            self._on_greeted()
        for effect in effects:
            try:
                self._perform[type(effect)](effect)
            except Exception as error:  # noqa: BLE001 - the effects behind it are not lost with it
                self._on_error(type(effect).__name__, error)
        if machine.state in (State.CLOSED, State.FAILED):
            self._on_end(type(event).__name__)

    def _start_timer(self, effect: fx.StartTimer) -> None:
        self._stop_timer(effect.timer)
        loop = asyncio.get_running_loop()
        self._timers[effect.timer] = loop.call_later(effect.seconds, lambda: self.tell(effect.fired()))

    def _cancel_timer(self, effect: fx.CancelTimer) -> None:
        self._stop_timer(effect.timer)

    def _stop_timer(self, timer: Timer) -> None:
        if handle := self._timers.pop(timer, None):
            handle.cancel()
