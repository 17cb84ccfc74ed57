"""Prepared Python process that has imported the program: each run is a fork of it, so imports are paid once.

`python -m tests.support.prepared MODULE...` imports the modules and reads orders, one JSON line each, from stdin.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

REPOSITORY = Path(__file__).parents[2]
WITHIN = 60.0


@dataclass
class Running:
    """Run in a fork; its output goes to files in `folder`."""

    pid: int
    _server: subprocess.Popen[str]
    _folder: Path

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def ended(self, within: float = WITHIN) -> subprocess.CompletedProcess[str]:
        """Waits for its end; kills it after `within` seconds."""
        kill = threading.Timer(within, self.send_signal, (signal.SIGKILL,))
        kill.start()
        try:
            code = int(_answer(self._server)["code"])
        finally:
            kill.cancel()
            kill.join()
        said = [(self._folder / f"{self.pid}.{name}").read_text() for name in ("out", "err")]
        return subprocess.CompletedProcess([], code, *said)


class Prepared:
    """Client of the prepared process, for one run at a time."""

    def __init__(self, server: subprocess.Popen[str], folder: Path) -> None:
        self._server = server
        self._folder = folder

    @classmethod
    @contextmanager
    def importing(cls, folder: Path, *modules: str) -> Iterator[Self]:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.prepared", *modules],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with server:
            yield cls(server, folder)
            assert server.stdin is not None
            server.stdin.close()

    def start(self, code: str, *arguments: str, environment: Mapping[str, str], cwd: Path) -> Running:
        """Runs `code` as `python -c` does."""
        order = {"code": code, "arguments": arguments, "environment": dict(environment), "cwd": str(cwd)}
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(order | {"folder": str(self._folder)}) + "\n")
        self._server.stdin.flush()
        return Running(int(_answer(self._server)["pid"]), self._server, self._folder)

    def run(
        self, code: str, *arguments: str, environment: Mapping[str, str], cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        return self.start(code, *arguments, environment=environment, cwd=cwd).ended()


def _answer(server: subprocess.Popen[str]) -> dict[str, Any]:
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line, "the prepared process ended"
    return dict(json.loads(line))


def _tell(**answer: int) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _become(order: Mapping[str, Any]) -> None:
    """In the fork: sets streams, environment, folder and arguments of the run."""
    sources = [
        (os.devnull, os.O_RDONLY),
        *((f"{order['folder']}/{os.getpid()}.{name}", os.O_WRONLY | os.O_CREAT) for name in ("out", "err")),
    ]
    for number, (path, flags) in enumerate(sources):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    # A shell's background job ignores SIGINT, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["cwd"])
    sys.argv[:] = ["-c", *order["arguments"]]


def _orders() -> str | None:
    """Returns the code to run in each fork, and None in the process itself at the end of the orders."""
    for line in sys.stdin:
        order = json.loads(line)
        if (pid := os.fork()) == 0:
            _become(order)
            return str(order["code"])
        _tell(pid=pid)
        _, status = os.waitpid(pid, 0)
        _tell(code=os.waitstatus_to_exitcode(status))
    return None


if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module)
    if (to_run := _orders()) is not None:
        exec(to_run, {"__name__": "__main__"})  # as in any interpreter, the process exits when the code ends
