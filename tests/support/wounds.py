"""Fault injection, once, at the start of a named task or effect of a real job: it raises, hangs or is cancelled.

None of our code is replaced. Tasks are intercepted where asyncio creates them (a task factory), effects where they are
performed; all others, and every later start of the same one, run unchanged. The wound of a job is in the context that
its tasks inherit, so that concurrent jobs do not affect each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from unittest import mock

from voice_agent.conversation.effects import AT_ONCE, Effects
from voice_agent.lifecycle import effects as fx


class How(StrEnum):
    RAISE = "raise"
    HANG = "hang"
    CANCEL = "cancel"


@dataclass(frozen=True)
class Wound:
    entry: str
    how: How

    def __str__(self) -> str:
        return f"{self.entry}-{self.how}"


class Injury(RuntimeError):
    """Unexpected exception that a wounded task raises."""


@dataclass
class Wounded:
    """Fault for the jobs of one room, and whether it has occurred."""

    wound: Wound
    hit: asyncio.Event = field(default_factory=asyncio.Event)
    as_task: set[str] = field(default_factory=set)
    """Entries that were started as tasks."""
    at_once: set[str] = field(default_factory=set)
    """Effects that were performed without a task."""

    def meets(self, entry: str) -> bool:
        if entry != self.wound.entry or self.hit.is_set():
            return False
        self.hit.set()
        return True


OWNERS = frozenset({"job", "episode", "turns", "beside", "typed"})
"""Owners of OwnedTasks; livekit names its own tasks."""
CURRENT: ContextVar[Wounded | None] = ContextVar("wounded", default=None)


@contextmanager
def wounds_possible() -> Iterator[None]:
    """Enables fault injection in the running loop."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(_task)  # type: ignore[arg-type]  # typeshed also wants generators taken
    try:
        with mock.patch.object(Effects, "perform", _behind(Effects.perform)):
            yield
    finally:
        loop.set_task_factory(None)


def _task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], *, context: Context | None = None
) -> asyncio.Task[Any]:
    wounded = CURRENT.get() if context is None else context.get(CURRENT)
    whole = work if wounded is None else _Met(work, wounded)
    return asyncio.Task(whole, loop=loop, context=context)


class _Met(Coroutine[Any, Any, Any]):
    """Coroutine that checks the name of its task at its first step: asyncio sets the name after creation."""

    def __init__(self, work: Coroutine[Any, Any, Any], wounded: Wounded) -> None:
        self._work = work
        self._wounded: Wounded | None = wounded

    def send(self, value: Any) -> Any:
        if (wounded := self._wounded) is not None:
            self._wounded = None
            self._meet(wounded)
        return self._work.send(value)

    def throw(self, *error: Any) -> Any:
        return self._work.throw(*error)

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Any:
        return self._work.__await__()

    def _meet(self, wounded: Wounded) -> None:
        task = asyncio.current_task()
        assert task is not None
        owner, _, name = task.get_name().rpartition(":")
        entry = name.partition("/")[0]
        if owner not in OWNERS:
            return
        wounded.as_task.add(entry)
        if wounded.meets(entry):
            self._work.close()
            self._work = _suffer(wounded.wound.how, task)


async def _suffer(how: How, task: asyncio.Task[Any]) -> None:
    if how is How.RAISE:
        raise Injury("wounded")
    if how is How.CANCEL:
        task.cancel()
    await asyncio.Event().wait()


def _behind(original: Callable[[Effects, fx.Effect], None]) -> Callable[[Effects, fx.Effect], None]:
    def perform(effects: Effects, effect: fx.Effect) -> None:
        # Effects with a task are intercepted in the task. Those without one await nothing and can only raise.
        wounded, entry = CURRENT.get(), type(effect).__name__
        if wounded is not None and type(effect) in AT_ONCE:
            wounded.at_once.add(entry)
            if wounded.wound.how is How.RAISE and wounded.meets(entry):
                raise Injury("wounded")
        original(effects, effect)

    return perform
