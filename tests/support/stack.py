"""Stack for tests: the whole real system, started once by the real command, on free ports, with its own VOICE_HOME."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.scripted_llm import MODEL, ScriptedLLM
from voice_agent import settings as settings_module
from voice_agent.addresses import bind_error
from voice_agent.settings import Settings

REPOSITORY = Path(__file__).parents[2]
PORTS = (
    "VOICE_PORT",
    "VOICE_LIVEKIT_PORT",
    "VOICE_LIVEKIT_UDP_PORT",
    "VOICE_LETTA_PORT",
    "VOICE_POSTGRES_PORT",
    "VOICE_MODELS_PORT",
    "VOICE_WORKER_PORT",
)
UP_WITHIN = 3000
"""Seconds. The first run builds and downloads."""


def free_ports(count: int) -> list[int]:
    """Ports that are free for TCP and UDP. All are held until the end, so that no two are the same."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            tcp = held.enter_context(socket.create_server(("127.0.0.1", 0)))
            udp = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                udp.bind(("127.0.0.1", tcp.getsockname()[1]))
            except OSError:
                continue
            ports.append(tcp.getsockname()[1])
        return ports


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A folder that every user may enter: if we are root, Postgres runs as another user."""
    home = Path(tempfile.mkdtemp(prefix="voice-agent-test-"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home)


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment without the settings of the user who runs the tests."""
    known = settings_module.names()
    clean = {name: value for name, value in os.environ.items() if name not in known}
    if cache := os.environ.get("VOICE_CACHE"):
        clean["VOICE_CACHE"] = cache
    *others, worker = PORTS
    free = free_ports(50)
    ports = dict(zip(others, free, strict=False))
    # A second worker takes the port that follows.
    spare = free[len(others) :]
    ports[worker] = next(port for port in spare if port + 1 not in free and bind_error("127.0.0.1", port + 1) is None)
    return clean | {"VOICE_HOME": str(home)} | {name: str(port) for name, port in ports.items()} | more


@dataclass(frozen=True)
class Stack:
    """Running system, with access to its services."""

    home: Path
    environment: dict[str, str]
    llm: ScriptedLLM
    """Scripts the LLM's answers; STT and TTS are real."""

    @property
    def settings(self) -> Settings:
        """The settings of its processes, generated secrets included."""
        return settings_module.load(self.environment, self.home).settings

    @property
    def url(self) -> str:
        return self.settings.page_url

    def command(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Runs `voice-agent …` for this system."""
        return run_command(self.environment, *arguments, timeout=timeout)

    def letta(self, method: str, path: str, **request: Any) -> Any:
        """Request to Letta's own REST interface, past our code, as an independent check."""
        headers = {"Authorization": f"Bearer {self.settings.letta_api_key}"}
        answer = httpx.request(method, self.settings.effective_letta_url + path, headers=headers, timeout=60, **request)
        answer.raise_for_status()
        return answer.json()

    def log(self, service: str) -> str:
        return (self.home / "logs" / f"{service}.log").read_text(errors="replace")


def run_command(environment: dict[str, str], *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "voice_agent.cli", *arguments],
        cwd=environment["VOICE_HOME"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextmanager
def running_stack(**more: str) -> Iterator[Stack]:
    with temporary_home() as home, ScriptedLLM() as llm:
        # The same number of seats on every machine, most of them idle.
        ours = {"VOICE_LLM_BASE_URL": llm.base_url, "VOICE_LLM_MODEL": MODEL, "VOICE_WORKER_CAPACITY": "8"}
        told = environment(home, **(ours | more))
        try:
            started = run_command(told, "up", timeout=UP_WITHIN)
            if started.returncode != 0:
                raise RuntimeError(f"The stack did not come up:\n{started.stdout}\n{started.stderr}")
            yield Stack(home, told, llm)
        finally:
            stopped = run_command(told, "down")
            keep_logs(home)
            if stopped.returncode != 0:
                raise RuntimeError(f"The stack did not go down:\n{stopped.stdout}\n{stopped.stderr}")


def keep_logs(home: Path) -> None:
    """Keeps the logs of the last run, for the analysis of failed tests."""
    kept = REPOSITORY / "build" / "stack-logs"
    shutil.rmtree(kept, ignore_errors=True)
    if (home / "logs").exists():
        shutil.copytree(home / "logs", kept)
