"""Service runner: waits for what one service needs, starts it, watches it, restarts or replaces it after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import uuid
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.stack.processes import PROCESS_MARK, RUN_MARK, SERVICE_MARK, Identity, end, marked
from voice_agent.stack.services import Service
from voice_agent.stack.state import Phase, ServiceState
from voice_agent.stack.subprocess_utils import Report

PROBE_EVERY: Final = 0.25
BACK_OFF: Final = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Pauses before restarts, none before the first: a user may be waiting. One more crash and the service is given up."""
STANDBY_AFTER: Final = 5.0
"""Seconds from a service's readiness to the start of its standby: the service's first work precedes the imports."""
STABLE_AFTER: Final = 10.0
"""A service that was ready this long counts failures from zero: a new failure has another cause than the last ones."""


@dataclass(frozen=True)
class Run:
    """Values shared by all service runners of one run."""

    mark: str
    logs: Path
    changed: Callable[[], None]
    died: Callable[[Service, int, int | None], None]
    report: Report
    back_off: Sequence[float] = BACK_OFF


@dataclass(frozen=True)
class Spawned:
    process: Process
    mark: str
    """PROCESS_MARK of the process and its descendants."""


class ServiceRunner:
    """Owner of one service's process, standby and state. `run()` is its task, `stop()` ends the service."""

    def __init__(self, service: Service, run: Run, needs: Sequence[ServiceRunner]) -> None:
        self.service = service
        self.ready = asyncio.Event()
        self.state = ServiceState(
            name=service.name,
            port=service.ports[0].number if service.ports else None,
            version=service.version,
            detail=service.where,
        )
        self._run = run
        self._log = run.logs / f"{service.name}.log"
        self._needs = needs
        self._spawned: Spawned | None = None
        self._standby: Spawned | None = None
        self._ready_at = -math.inf

    async def run(self) -> None:
        """Returns when the service is given up. Raises if its first start fails: then the whole run must stop."""
        failures = 0
        while True:
            for need in self._needs:
                await need.ready.wait()
            began = asyncio.get_running_loop().time()
            problem = await self._live_once(began)
            if self._ready_at < 0:
                raise Permanent(
                    Code.NOT_READY,
                    f"{self.service.name} did not get ready: {problem}{self._last_lines()}",
                    f"The whole log: {self._log}" if self.service.ours else f"Check {self.service.where}.",
                )
            stable = self._ready_at >= began and asyncio.get_running_loop().time() - self._ready_at > STABLE_AFTER
            failures = 1 if stable else failures + 1
            if failures > len(self._run.back_off):
                self._set(
                    Phase.GIVEN_UP, detail=f"{problem}; given up after {failures} failures in a row, see {self._log}"
                )
                await self._end_standby()
                return
            self._set(Phase.RESTARTING, detail=problem, restarts=self.state.restarts + 1)
            await asyncio.sleep(self._run.back_off[failures - 1])

    async def _live_once(self, began: float) -> str:
        """One run of the process, from start to exit; returns why it ended."""
        self._set(Phase.STARTING)
        if not self.service.ours:
            return await self._watch_theirs(began)
        try:
            if self.service.prepare:
                await self.service.prepare()
            spawned = await self._start()
        except VoiceAgentError as error:
            return error.message
        except OSError as error:
            return f"it cannot be started: {error}"
        process = spawned.process
        exited = asyncio.create_task(process.wait(), name=f"{self.service.name} exit")
        probing = asyncio.create_task(self._until_ready(), name=f"{self.service.name} readiness")
        try:
            done, _ = await asyncio.wait(
                {exited, probing}, timeout=self.service.ready_within, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return f"not ready within {self.service.ready_within:.0f} s ({self.state.detail or 'no answer'})"
            if exited not in done:
                probing.result()
                self._became_ready(began)
                await self._with_standby(exited)
            return how_it_ended(process.returncode)
        finally:
            for task in (exited, probing):
                task.cancel()
            await asyncio.gather(exited, probing, return_exceptions=True)
            if not _cancelling():
                await self._clean_up(spawned)

    async def _watch_theirs(self, began: float) -> str:
        try:
            async with asyncio.timeout(self.service.ready_within):
                await self._until_ready()
        except TimeoutError:
            return self.state.detail
        self._became_ready(began, detail=self.service.where)
        forever: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await forever  # not ours to restart: nothing more to do

    def _became_ready(self, began: float, detail: str = "") -> None:
        self._ready_at = asyncio.get_running_loop().time()
        took = round(self._ready_at - began, 1)
        self._set(Phase.READY, ready_after_s=took, detail=detail)
        self.ready.set()
        who = f"pid {self._spawned.process.pid}" if self._spawned else self.service.where
        self._run.report(f"{self.service.name} {self.service.version}: ready after {took} s ({who})")

    async def _until_ready(self) -> None:
        while problem := await self.service.probe():
            self.state.detail = problem
            await asyncio.sleep(PROBE_EVERY)

    async def _start(self) -> Spawned:
        """Activates the standby if it is alive, else starts a new process."""
        standby, self._standby = self._standby, None
        if standby is not None and standby.process.returncode is None:
            spawned = standby
            assert standby.process.stdin is not None
            standby.process.stdin.write(b"\n")
            standby.process.stdin.close()
        else:
            spawned = await self._spawn(self.service.command, asyncio.subprocess.DEVNULL)
        self._spawned = spawned
        self._set(Phase.STARTING, process=Identity.of(spawned.process.pid))
        return spawned

    async def _with_standby(self, exited: asyncio.Task[int]) -> None:
        """Waits for the exit of the process; meanwhile starts its standby, which loads its imports."""
        await asyncio.wait({exited}, timeout=STANDBY_AFTER)
        if self.service.standby and self._standby is None and not exited.done():
            with contextlib.suppress(OSError):  # without a standby a restart takes longer
                self._standby = await self._spawn(self.service.standby, asyncio.subprocess.PIPE)
        await exited

    async def _spawn(self, command: Sequence[str], stdin: int) -> Spawned:
        mark = uuid.uuid4().hex
        marks = {RUN_MARK: self._run.mark, SERVICE_MARK: self.service.name, PROCESS_MARK: mark}
        with os.fdopen(os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.service.directory,
                env={**self.service.environment(), **marks},
                stdin=stdin,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **(self.service.account.as_arguments() if self.service.account else {}),
            )
        return Spawned(process, mark)

    async def _clean_up(self, spawned: Spawned) -> None:
        """After a process exited or was not ready in time: nothing it left may hinder the next start."""
        self.ready.clear()
        await self._end(spawned)
        self._spawned = None
        self._run.died(self.service, spawned.process.pid, spawned.process.returncode)

    async def stop(self) -> None:
        if self._spawned:
            began = asyncio.get_running_loop().time()
            await self._end(self._spawned)
            self._spawned = None
            took = asyncio.get_running_loop().time() - began
            self._run.report(f"{self.service.name}: stopped after {took:.1f} s")
        await self._end_standby()
        self.ready.clear()
        self._set(Phase.STOPPED)

    async def _end_standby(self) -> None:
        standby, self._standby = self._standby, None
        if standby is not None:
            assert standby.process.stdin is not None
            standby.process.stdin.close()  # it ends with its input
            await self._end(standby)

    async def _end(self, spawned: Spawned) -> None:
        process = spawned.process
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self.service.stop_signal)
            try:
                async with asyncio.timeout(self.service.stop_within):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        await asyncio.to_thread(end, marked(self._run.mark, self.service.name, spawned.mark), 3.0)

    def _set(self, phase: Phase, **changes: object) -> None:
        process = changes.pop("process", self.state.process if phase in (Phase.READY, Phase.STARTING) else None)
        self.state = self.state.model_copy(update={"phase": phase, "process": process, **changes})
        self._run.changed()

    def _last_lines(self, count: int = 15) -> str:
        if not (self.service.ours and self._log.exists()):
            return ""
        lines = self._log.read_text(errors="replace").splitlines()[-count:]
        return "\n  | ".join(["\nIts last log lines:", *lines]) + "\n"


def how_it_ended(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"killed by {signal.Signals(-exit_code).name}"
    return f"ended by itself with exit code {exit_code}"


def _cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
