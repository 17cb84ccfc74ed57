"""Tasks with an owner, a name and a rule for their failure (criticality.py). Errors go to the owner's callback."""

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

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, name: str, work: Coroutine[Any, Any, Any], detail: str = "") -> asyncio.Task[Any]:
        whole = f"{self._owner}:{name}/{detail}" if detail else f"{self._owner}:{name}"
        try:
            rule_of(whole)
        except KeyError:
            work.close()
            raise
        task = asyncio.get_running_loop().create_task(work, name=whole)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """Cancel and wait for all, also for what is started meanwhile; except the caller's own task."""
        while pending := [task for task in self._tasks if task is not asyncio.current_task()]:
            for task in pending:
                task.cancel()
            await asyncio.wait(pending)

    async def finish(self) -> None:
        """Wait for all without cancelling."""
        while pending := [task for task in self._tasks if task is not asyncio.current_task()]:
            await asyncio.wait(pending)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(task.get_name(), error)
