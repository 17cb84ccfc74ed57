"""Tasks of a process (serve, a worker) that last as long as it does: one rule each, as conversation/criticality.py has
for a job. Without an essential task the process is useless: it ends and says why. An optional one is restarted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from voice_agent.contracts import LogEvent, Weight
from voice_agent.errors import Code, Temporary, VoiceAgentError
from voice_agent.observe.log import ReconnectLog

RULES: Final[Mapping[str, Weight]] = {
    # of serve
    "room-health-monitor": Weight.ESSENTIAL,
    "monitor-watch": Weight.ESSENTIAL,  # ends when the monitor hangs
    "log-rotation": Weight.OPTIONAL,
    "provider-checks": Weight.OPTIONAL,
    "prompt-prewarmer": Weight.OPTIONAL,
    "memory-cleaner": Weight.OPTIONAL,
    # of serve and of each worker; one of these processes does it at a time
    "memory-worker": Weight.OPTIONAL,
    # of a worker
    "worker-registry": Weight.ESSENTIAL,  # an unregistered worker gets no jobs
    "job-watch": Weight.ESSENTIAL,  # without it a dead job is not reported
}
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
"""Most seconds before a restart. A task that ran longer than this begins with the first pause again."""


class ProcessTasks:
    def __init__(
        self, log: ReconnectLog, on_end: Callable[[VoiceAgentError], None], first_pause: float = FIRST_PAUSE
    ) -> None:
        """`on_end`: called when an essential task has ended, which it never should."""
        self._log = log
        self._on_end = on_end
        self._first_pause = first_pause
        self._keeping: list[asyncio.Task[None]] = []

    def start(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        keep = self._keep(name, RULES[name], run)
        self._keeping.append(asyncio.get_running_loop().create_task(keep, name=f"keep:{name}"))

    async def stop(self) -> None:
        """Cancel all tasks and wait for their end."""
        for task in self._keeping:
            task.cancel()
        if self._keeping:
            await asyncio.wait(self._keeping)

    async def _keep(self, name: str, weight: Weight, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        pause = self._first_pause
        while True:
            began = time.monotonic()
            error = await _lived(name, run)
            self._log.write(LogEvent.TASK_FAILED, task=name, weight=weight.value, **error.as_dict())
            if weight is Weight.ESSENTIAL:
                self._on_end(error)
                return
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = self._first_pause
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


async def _lived(name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> VoiceAgentError:
    """Run it and return why it ended. As a task of its own, so that its cancellation is not taken for the caller's."""
    task = asyncio.get_running_loop().create_task(run(), name=name)
    try:
        await asyncio.wait({task})
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    if isinstance(error, VoiceAgentError):
        return error
    how = "ended by itself" if error is None else f"failed ({type(error).__name__})"  # its text may hold secrets
    return Temporary(Code.INTERNAL, f"{name} {how}.", "Look into the log of this process; report it if it comes back.")
