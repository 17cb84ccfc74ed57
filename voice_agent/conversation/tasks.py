"""Tasks with an owner, a name and a rule for their failure (criticality.py). The owner's callback gets their errors: an
exception, a timeout, or a cancellation by other code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from voice_agent.conversation.criticality import rule_of


class OwnedTasks:
    """The tasks of one owner (a job, an episode). Nothing started here outlives `stop()`."""

    def __init__(self, owner: str, on_error: Callable[[str, BaseException], None]) -> None:
        self._owner = owner
        self._on_error = on_error
        self._tasks: set[asyncio.Task[Any]] = set()
        self._cancelled: dict[asyncio.Task[Any], BaseException | None] = {}
        """Tasks cancelled here, each with its error; None: it was no longer needed."""

    def __len__(self) -> int:
        return len(self._tasks)

    def start(
        self,
        name: str,
        work: Coroutine[Any, Any, Any],
        detail: str = "",
        *,
        on_failure: Callable[[], None] | None = None,
    ) -> asyncio.Task[Any]:
        """`on_failure`: called when it fails, not when it is dropped or stopped."""
        whole = f"{self._owner}:{name}/{detail}" if detail else f"{self._owner}:{name}"
        try:
            rule = rule_of(whole)
        except KeyError:
            work.close()
            raise
        loop = asyncio.get_running_loop()
        task = loop.create_task(work, name=whole)
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._ended(task, on_failure))
        if rule.within is not None:
            late = loop.call_later(rule.within, self._cancel, task, TimeoutError(f"longer than {rule.within:g} s"))
            task.add_done_callback(lambda _: late.cancel())
        return task

    def drop(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task that is no longer needed."""
        self._cancel(task, None)

    async def stop(self) -> None:
        """Cancel and wait for all, also for what is started meanwhile; except the caller's own task."""
        while pending := [task for task in self._tasks if task is not asyncio.current_task()]:
            for task in pending:
                self.drop(task)
            await asyncio.wait(pending)

    async def finish(self) -> None:
        """Wait for all without cancelling."""
        while pending := [task for task in self._tasks if task is not asyncio.current_task()]:
            await asyncio.wait(pending)

    def _cancel(self, task: asyncio.Task[Any], why: BaseException | None) -> None:
        if not task.done():
            self._cancelled.setdefault(task, why)
            task.cancel()

    def _ended(self, task: asyncio.Task[Any], on_failure: Callable[[], None] | None) -> None:
        self._tasks.discard(task)
        why = self._cancelled.pop(task, asyncio.CancelledError())
        error = why if task.cancelled() else task.exception()
        if error is not None:
            self._on_error(task.get_name(), error)
            if on_failure is not None:
                on_failure()
