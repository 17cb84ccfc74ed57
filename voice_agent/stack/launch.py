"""Start and stop of the all-in-one run: lock, provisioning, the detached supervisor and its report, clean-up."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import IO, Any, Final

from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.settings import Settings
from voice_agent.stack import home, samples, secret_store, services, state
from voice_agent.stack.ports import require_free
from voice_agent.stack.processes import Identity, end, marked
from voice_agent.stack.provision import provision
from voice_agent.stack.subprocess_utils import Report
from voice_agent.stack.supervisor import Supervisor

STOP_DEADLINE: Final = 90.0
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def up(settings: Settings, report: Report, *, foreground: bool = False) -> None:
    """Returns when everything is ready; in the foreground, when stopped. On an error nothing is left running."""
    home.make(settings)
    lock = state.lock(settings.home)
    try:
        home.tighten(settings)
        clean_up_after_crash(settings, report)
        settings = secret_store.ensure(settings)
        require_free(services.table(settings))
        settings = asyncio.run(_prepared(settings, report))
        if foreground:
            supervise(settings, report)
        else:
            _detach(settings, report, lock)
    finally:
        os.close(lock)


async def _prepared(settings: Settings, report: Report) -> Settings:
    """Installs what is missing. With the language model that is used from now on."""
    from voice_agent.stack import llm_choice  # imports what the supervisor, which stays, does not need

    settings = await llm_choice.settled(settings, report)
    await provision(settings, report)
    return settings


def supervise(settings: Settings, report: Report, announce_up: Report | None = None) -> None:
    asyncio.run(_supervise(settings, report, announce_up or report))


async def _supervise(settings: Settings, report: Report, announce_up: Report) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)

    async def after_start() -> None:
        await samples.ensure(settings, report)

    supervisor = Supervisor(settings, services.table(settings), report, after_start)
    telling = asyncio.create_task(_tell_when_up(supervisor, settings, announce_up), name="announce")
    try:
        await supervisor.run(stop)
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _tell_when_up(supervisor: Supervisor, settings: Settings, announce: Report) -> None:
    await supervisor.up.wait()
    announce(f"everything is ready: {settings.page_url}")


def _detach(settings: Settings, report: Report, lock: int) -> None:
    """The supervisor inherits the lock, so a second start is excluded at every moment."""
    logs = settings.home / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "voice_agent.cli", "supervise", "--report", str(writing)]
    with (logs / "supervisor.log").open("ab") as log, os.fdopen(reading) as reports:
        try:
            child = subprocess.Popen(
                command,
                cwd=settings.home,
                env=os.environ | settings.as_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock, writing),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        try:
            _listen(reports, report)
        except BaseException:
            # Interrupted or failed: the supervisor stops its services before it exits.
            child.terminate()
            child.wait(STOP_DEADLINE)
            raise


def _listen(reports: IO[str], report: Report) -> None:
    """Passes reports on until the supervisor is up; raises the error that it reports."""
    for line in reports:
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise Permanent(Code(told["error"]["code"]), told["error"]["message"], told["error"]["remedy"])
        report(told["say"])
        if told.get("up"):
            return
    raise Temporary(Code.NOT_READY, "The supervisor ended without a word.", "Look into logs/supervisor.log.")


def supervise_detached(settings: Settings, reports: int) -> None:
    """The detached process: reports to its starter, as JSON lines, until it is up or has failed."""
    pipe = os.fdopen(reports, "w", buffering=1)

    def tell(**line: Any) -> None:
        print(json.dumps(line), flush=True)  # noqa: T201 - this process's standard output is supervisor.log
        if pipe.closed:
            return
        try:
            pipe.write(json.dumps(line) + "\n")
        except BrokenPipeError:  # the starter is gone; the log has the line
            return
        if line.get("up"):
            pipe.close()

    try:
        supervise(settings, lambda text: tell(say=text), lambda text: tell(say=text, up=True))
    except VoiceAgentError as error:
        tell(error=error.as_dict())
        sys.exit(1)


def down(settings: Settings, report: Report) -> None:
    running = state.load(settings.home)
    supervisor = running.supervisor.process() if running else None
    if supervisor:
        report(f"stopping (supervisor pid {supervisor.pid})")
        end([supervisor], STOP_DEADLINE)
    clean_up_after_crash(settings, report)
    report("nothing is running" if running is None else "stopped")


def clean_up_after_crash(settings: Settings, report: Report) -> None:
    """A killed supervisor leaves its services running: end exactly those."""
    left = state.load(settings.home)
    if left is None:
        return
    known: list[tuple[str, Identity]] = [
        (service.name, service.process) for service in reversed(left.services) if service.process
    ]
    recorded = [(name, process) for name, identity in known if (process := identity.process())]
    for name, process in recorded:
        report(f"{name} (pid {process.pid}) was left behind by a supervisor that is gone: stopping it")
        end([process], 10.0, signal.SIGINT if name == "postgres" else signal.SIGTERM)
    end(marked(left.run), 5.0)
    state.forget(settings.home)
