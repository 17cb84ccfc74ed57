"""Supervisor of the all-in-one run: starts services in order of readiness, restarts crashed ones, stops in reverse."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import httpx

from voice_agent.contracts import PROCESS_EXIT_PATH, ProcessExit
from voice_agent.errors import VoiceAgentError
from voice_agent.observe.rotation import empty
from voice_agent.outbound import tls
from voice_agent.settings import Settings
from voice_agent.stack import state
from voice_agent.stack.processes import Identity, end, marked
from voice_agent.stack.service_runner import BACK_OFF, Run, ServiceRunner, how_it_ended
from voice_agent.stack.services import Service
from voice_agent.stack.subprocess_utils import Report

EXIT_REPORT_TRIES: Final = 10
EXIT_REPORT_PAUSE: Final = 1.0
LOOK_EVERY: Final = 10.0


class Supervisor:
    """Owner of every process of one run."""

    def __init__(
        self,
        settings: Settings,
        services: Sequence[Service],
        report: Report,
        after_start: Callable[[], Awaitable[None]],
        back_off: Sequence[float] = BACK_OFF,
    ) -> None:
        self._settings = settings
        self._run = uuid.uuid4().hex
        self._report = report
        self._after_start = after_start
        self._exit_reports: asyncio.Queue[ProcessExit] = asyncio.Queue()
        self._me = Identity.of(os.getpid())
        self._runners: list[ServiceRunner] = []
        shared = Run(self._run, self.logs, self._changed, self._died, report, back_off)
        for service in services:
            needs = [runner for runner in self._runners if runner.service.name in service.needs]
            self._runners.append(ServiceRunner(service, shared, needs))
        self.up = asyncio.Event()

    @property
    def logs(self) -> Path:
        return self._settings.home / "logs"

    async def run(self, stop: asyncio.Event) -> None:
        """Returns after `stop`; raises if a service cannot be started. Leaves nothing running either way."""
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._changed()
        failure: VoiceAgentError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(runner.run(), name=f"run {runner.service.name}") for runner in self._runners]
                tasks.append(group.create_task(self._come_up(), name="come up"))
                tasks.append(group.create_task(self._deliver_exit_reports(), name="exit reports"))
                tasks.append(group.create_task(self._keep_logs_small(), name="log sizes"))
                await stop.wait()
                for task in tasks:
                    task.cancel()
        except* VoiceAgentError as failures:
            failure = _first(failures)
        finally:
            await self._stop_all()
        if failure:
            raise failure

    async def _come_up(self) -> None:
        for runner in self._runners:
            await runner.ready.wait()
        await self._after_start()
        self.up.set()

    async def _keep_logs_small(self) -> None:
        """The logs of the services and of this process. Polled: no event tells how much a program prints."""
        while True:
            for log in self.logs.glob("*.log"):
                try:
                    await asyncio.to_thread(empty, log)
                except OSError as error:
                    self._report(f"{log} cannot be kept small: {error.strerror}")
            await asyncio.sleep(LOOK_EVERY)

    async def _stop_all(self) -> None:
        for runner in reversed(self._runners):
            await runner.stop()
        await asyncio.to_thread(end, marked(self._run), 3.0)
        state.forget(self._settings.home)

    def _changed(self) -> None:
        settings = self._settings
        secret = settings.secret_names()
        public = {name: value for name, value in settings.as_environment().items() if name not in secret}
        services = [runner.state for runner in self._runners]
        saved = state.RunState(
            run=self._run, supervisor=self._me, url=settings.page_url, settings=public, services=services
        )
        state.save(settings.home, saved)

    def _died(self, service: Service, pid: int, exit_code: int | None) -> None:
        self._report(f"{service.name} (pid {pid}) {how_it_ended(exit_code)}")
        if service.holds_leases:
            self._exit_reports.put_nowait(
                ProcessExit(process=service.name, pid=pid, host=socket.gethostname(), exit_code=exit_code)
            )

    async def _deliver_exit_reports(self) -> None:
        serve = next((runner for runner in self._runners if runner.service.name == "serve"), None)
        while serve:
            exit_report = await self._exit_reports.get()
            for _ in range(EXIT_REPORT_TRIES):
                await serve.ready.wait()
                if await self._deliver(exit_report):
                    break
                await asyncio.sleep(EXIT_REPORT_PAUSE)
            else:
                # The lease expires by itself, only later.
                self._report(
                    f"serve did not take the report that {exit_report.process} (pid {exit_report.pid}) has ended"
                )

    async def _deliver(self, exit_report: ProcessExit) -> bool:
        headers = {"Authorization": f"Bearer {self._settings.internal_secret}"}
        url = f"{self._settings.page_url}{PROCESS_EXIT_PATH}"
        try:
            async with httpx.AsyncClient(timeout=3.0, trust_env=False, verify=tls()) as client:
                answer = await client.post(url, headers=headers, json=exit_report.model_dump())
        except httpx.HTTPError:
            return False
        return answer.is_success


def _first(group: BaseExceptionGroup[VoiceAgentError]) -> VoiceAgentError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
