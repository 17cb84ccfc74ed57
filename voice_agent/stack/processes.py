"""Which processes are ours, and how they are ended: known by pid and start time, never by name."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from typing import Final

import psutil
from pydantic import BaseModel, ConfigDict

RUN_MARK: Final = "_VOICE_STACK_RUN"
SERVICE_MARK: Final = "_VOICE_STACK_PART"
PROCESS_MARK: Final = "_VOICE_STACK_PROCESS"
"""All three are put into the environment of every process we start, and are inherited by whatever it starts. The last
one tells a service's process from the one that is to replace it."""
CLOCK_SLACK: Final = 2.0
"""The start time is derived from the boot time, which moves a little when the clock is set."""


class Identity(BaseModel):
    """A pid alone may by now be somebody else's."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Identity:
        try:
            return cls(pid=pid, started=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:  # it has ended already: an identity that no process has
            return cls(pid=pid, started=0.0)

    def process(self) -> psutil.Process | None:
        """None when it is gone, or when the pid is another process's now."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < CLOCK_SLACK
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def marked(run: str, service: str | None = None, process_mark: str | None = None) -> list[psutil.Process]:
    """What carries the mark of this run, children of children included."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's: not ours either way
        if (
            environment.get(RUN_MARK) == run
            and service in (None, environment.get(SERVICE_MARK))
            and process_mark in (None, environment.get(PROCESS_MARK))
        ):
            found.append(process)
    return found


def end(processes: Iterable[psutil.Process], grace: float, first: signal.Signals = signal.SIGTERM) -> None:
    """Ask, wait until they are gone or the grace is over, then kill. Blocking."""
    alive = list(processes)
    for number, patience in ((first, grace), (signal.SIGKILL, 5.0)):
        for process in alive:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
        alive = _survivors(alive, patience)
        if not alive:
            return


def _survivors(processes: Iterable[psutil.Process], patience: float) -> list[psutil.Process]:
    """Zombies are none: psutil would wait until somebody else's parent has buried them, for seconds or for ever."""
    deadline = time.monotonic() + patience
    return [process for process in processes if not _ended(process, max(0.0, deadline - time.monotonic()))]


def _ended(process: psutil.Process, within: float) -> bool:
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return not process.is_running() or bool(poll.poll(within * 1000))
    finally:
        os.close(handle)


def listener(port: int, *, udp: bool = False) -> int | None:
    """Its pid, as far as we may know."""
    for connection in psutil.net_connections(kind="udp" if udp else "tcp"):
        if connection.laddr and connection.laddr.port == port and (udp or connection.status == psutil.CONN_LISTEN):
            return connection.pid
    return None


def holder(port: int, *, udp: bool = False) -> str:
    """Who has that port, in words."""
    pid = listener(port, udp=udp)
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})" if pid else "a process of another user"
    except psutil.Error:
        return "another process"
