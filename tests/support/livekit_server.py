"""LiveKit server of a test run, on free ports; it can be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from livekit import rtc

from tests.support.stack import free_ports, temporary_home
from voice_agent.settings import Settings
from voice_agent.stack import livekit

READY_WITHIN = 60.0


class LiveKitServer:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self.settings.home / "livekit.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [livekit.binary(self.settings), "--config", livekit.config_file(self.settings)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": "/usr/bin:/bin"},
            )
        deadline = time.monotonic() + READY_WITHIN
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self.settings.home / "livekit.log").read_text()[-2000:])
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.settings.livekit_port}/", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def settings_on_free_ports(home: Path, **more: object) -> Settings:
    serve, port, udp, letta, models = free_ports(5)
    return Settings(
        home=home,
        port=serve,
        livekit_port=port,
        livekit_udp_port=udp,
        letta_port=letta,
        models_port=models,
        livekit_api_key="testkey",
        livekit_api_secret="a-secret-for-tests-of-at-least-32-characters",
        internal_secret="internal-secret-for-tests",
        **more,  # type: ignore[arg-type]
    )


@contextmanager
def running_livekit(**more: object) -> Iterator[LiveKitServer]:
    """`more` are settings."""
    with temporary_home() as home:
        settings = settings_on_free_ports(home, **more)
        asyncio.run(_prepare(settings))
        server = LiveKitServer(settings)
        server.start()
        asyncio.run(warm_up(settings))
        try:
            yield server
        finally:
            server.kill()


async def _prepare(settings: Settings) -> None:
    await livekit.provision(settings, lambda _line: None)
    await livekit.write_configuration(settings)


async def warm_up(settings: Settings) -> None:
    """Opens the sockets that the client's native runtime opens once per process: they belong to no test."""
    with contextlib.suppress(rtc.ConnectError):
        await rtc.Room().connect(settings.effective_livekit_url, "not a token")
