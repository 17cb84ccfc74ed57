"""Leak check of the test process: threads, processes, files and tasks, compared before and after each test."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

GRACE = 3.0
"""Seconds that ending threads and closing sockets may take."""
IGNORED_FILES = ("/dev/", "/proc/", "/sys/", "pipe:", "anon_inode:")


@dataclass(frozen=True)
class Holdings:
    threads: frozenset[threading.Thread]
    processes: frozenset[int]
    files: frozenset[tuple[int, str]]

    @classmethod
    def now(cls) -> Self:
        return cls(
            # A thread of a native library that has called into Python stays listed for ever, alive or not.
            threads=frozenset(t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)),
            processes=frozenset(_children()),
            files=frozenset(_open_files()),
        )

    def leaked(self) -> list[str]:
        """Resources held now, after the grace, and not at the earlier snapshot."""
        deadline = time.monotonic() + GRACE
        while (found := self._new()) and time.monotonic() < deadline:
            gc.collect()  # slow, and rarely needed
            time.sleep(0.05)
        return found

    def _new(self) -> list[str]:
        later = Holdings.now()
        files = later.files - self.files
        not_ours = _kept_alive_by_clients() if files else set()
        return [
            *(f"thread {thread.name}" for thread in later.threads - self.threads if thread.is_alive()),
            *(f"process {pid} {_name(pid)}" for pid in later.processes - self.processes),
            *(f"open file {target}" for number, target in files if number not in not_ours),
        ]


def leaked_tasks(before: frozenset[asyncio.Task[object]]) -> list[str]:
    return [f"task {task.get_name()}" for task in asyncio.all_tasks() - before if not task.done()]


def _children() -> Iterator[int]:
    """Direct children of every thread; grandchildren are the children's responsibility."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
            yield from map(int, (thread / "children").read_text().split())


def _name(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline()[:4])
    except psutil.NoSuchProcess:
        return ""


def _kept_alive_by_clients() -> set[int]:
    """Server-side connections inside the test process: their clients decide when they end."""
    tcp = psutil.Process().net_connections(kind="tcp")
    ours = {one.laddr.port for one in tcp if one.status == psutil.CONN_LISTEN}
    return {one.fd for one in tcp if one.status != psutil.CONN_LISTEN and one.laddr.port in ours}


def _open_files() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue
        if not target.startswith(IGNORED_FILES):
            yield int(entry.name), target
