"""What the test process holds: compared before and after each test, so that nothing is left behind unseen."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

GRACE = 3.0
"""Threads and sockets that were told to end need a moment."""
IGNORED_FILES = ("/dev/", "/proc/", "/sys/", "pipe:", "anon_inode:")


@dataclass(frozen=True)
class Holdings:
    threads: frozenset[threading.Thread]
    processes: frozenset[tuple[int, str]]
    files: frozenset[tuple[int, str]]

    @classmethod
    def now(cls) -> Self:
        return cls(
            # A native library's thread that once called into Python stays listed for ever, alive or not.
            threads=frozenset(t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)),
            processes=frozenset(_children()),
            files=frozenset(_open_files()),
        )

    def leaked(self) -> list[str]:
        """What is held now and was not then, after the grace."""
        deadline = time.monotonic() + GRACE
        while True:
            gc.collect()
            later = Holdings.now()
            found = [
                *(f"thread {thread.name}" for thread in later.threads - self.threads if thread.is_alive()),
                *(f"process {pid} {name}" for pid, name in later.processes - self.processes),
                *(f"open file {target}" for _, target in later.files - self.files),
            ]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)


def leaked_tasks(before: frozenset[asyncio.Task[object]]) -> list[str]:
    return [f"task {task.get_name()}" for task in asyncio.all_tasks() - before if not task.done()]


def _children() -> list[tuple[int, str]]:
    children = []
    for child in psutil.Process().children(recursive=True):
        try:
            children.append((child.pid, " ".join(child.cmdline()[:4]) or child.name()))
        except psutil.NoSuchProcess:
            continue
    return children


def _kept_alive_by_clients() -> set[int]:
    """Connections at a server inside the test process: when they end is their client's business."""
    tcp = psutil.Process().net_connections(kind="tcp")
    ours = {one.laddr.port for one in tcp if one.status == psutil.CONN_LISTEN}
    return {one.fd for one in tcp if one.status != psutil.CONN_LISTEN and one.laddr.port in ours}


def _open_files() -> list[tuple[int, str]]:
    found = []
    not_ours = _kept_alive_by_clients()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue
        if not target.startswith(IGNORED_FILES) and int(entry.name) not in not_ours:
            found.append((int(entry.name), target))
    return found
