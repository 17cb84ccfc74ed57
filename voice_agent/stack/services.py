"""The table of what runs. Nothing else decides what is started, in which order, and how it is known ready."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from voice_agent.addresses import in_url, reachable
from voice_agent.settings import Settings
from voice_agent.stack import letta, livekit, postgres, readiness
from voice_agent.stack.subprocess_utils import Account
from voice_agent.standby import OPTION

_GOODBYES: Final = 20.0
"""Seconds for every conversation of a worker to bring its last turn into the outbox."""


@dataclass(frozen=True)
class Port:
    number: int
    setting: str
    host: str = "127.0.0.1"
    udp: bool = False


@dataclass(frozen=True)
class Service:
    name: str
    version: str
    probe: readiness.Probe
    command: tuple[str, ...] = ()
    """Empty: somebody else runs it (given by URL); it is only probed."""
    environment: Callable[[], Mapping[str, str]] = dict
    """Asked for at each start, when the secrets it holds exist."""
    directory: Path = Path("/")
    account: Account | None = None
    ports: tuple[Port, ...] = ()
    needs: tuple[str, ...] = ()
    prepare: Callable[[], Awaitable[None]] | None = None
    """Runs before each start, when everything in `needs` is ready."""
    ready_within: float = 180.0
    """Generous: a busy machine is slow, and one that hangs is found all the same."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within: float = 10.0
    holds_leases: bool = False
    """Its exit is told to serve, which frees what it held."""
    standby: tuple[str, ...] = ()
    """Command of a process that waits to replace it; empty: none."""
    where: str = ""

    @property
    def ours(self) -> bool:
        return bool(self.command)


def table(settings: Settings) -> tuple[Service, ...]:
    """In starting order; stopping is the reverse."""
    return (
        *((_postgres(settings), _models(settings), _letta(settings)) if not settings.letta_base_url else ()),
        *(() if not settings.letta_base_url else (_models(settings), _their_letta(settings))),
        _their_livekit(settings) if settings.livekit_url else _livekit(settings),
        _serve(settings),
        *(_worker(settings, number) for number in range(settings.workers)),
    )


def _postgres(settings: Settings) -> Service:
    return Service(
        name="postgres",
        version=postgres.VERSION,
        command=postgres.command(settings),
        environment=postgres.environment,
        directory=postgres.directory(settings),
        account=postgres.account(),
        ports=(Port(settings.postgres_port, "VOICE_POSTGRES_PORT"),),
        probe=partial(postgres.answers, settings),
        # Fast shutdown: disconnect clients; SIGTERM would wait for them.
        stop_signal=signal.SIGINT,
    )


def _letta(settings: Settings) -> Service:
    return Service(
        name="letta",
        version=letta.VERSION,
        command=letta.command(settings),
        environment=partial(letta.environment, settings),
        directory=letta.directory(settings) / "home",
        ports=(Port(settings.letta_port, "VOICE_LETTA_PORT"),),
        needs=("postgres",),
        prepare=partial(letta.prepare, settings),
        probe=partial(readiness.http, f"{settings.effective_letta_url}/v1/health/"),
        ready_within=300.0,
    )


def _their_letta(settings: Settings) -> Service:
    base = settings.letta_base_url.rstrip("/")
    return Service(
        name="letta",
        version="yours",
        probe=partial(readiness.http, f"{base}/v1/health/"),
        where=base,
        ready_within=30.0,
    )


def _livekit(settings: Settings) -> Service:
    return Service(
        name="livekit",
        version=livekit.VERSION,
        command=(str(livekit.binary(settings)), "--config", str(livekit.config_file(settings))),
        environment=livekit.environment,
        directory=settings.home,
        ports=(
            *(Port(settings.livekit_port, "VOICE_LIVEKIT_PORT", host) for host in livekit.listens_on(settings)[:1]),
            Port(settings.livekit_udp_port, "VOICE_LIVEKIT_UDP_PORT", udp=True),
        ),
        prepare=partial(livekit.write_configuration, settings),
        probe=partial(readiness.http, f"http://127.0.0.1:{settings.livekit_port}/"),
    )


def _their_livekit(settings: Settings) -> Service:
    url = settings.livekit_url
    probe = partial(readiness.http, readiness.as_http(url))
    return Service(name="livekit", version="yours", probe=probe, where=url, ready_within=30.0)


def _own(
    settings: Settings, name: str, *command: str, port: Port, path: str, standby: bool = False, **more: object
) -> Service:
    command_line = (sys.executable, "-m", "voice_agent.cli", *command)
    where = f"http://{in_url(reachable(port.host))}:{port.number}"
    own = {"PYTHONUNBUFFERED": "1", port.setting: str(port.number)}
    return Service(
        name=name,
        version=version("voice-agent"),
        command=command_line,
        standby=(*command_line, OPTION) if standby and settings.standby else (),
        environment=lambda: os.environ | settings.as_environment() | own,
        directory=settings.home,
        ports=(port,),
        probe=partial(readiness.http, f"{where}{path}"),
        **more,  # type: ignore[arg-type]
    )


def _models(settings: Settings) -> Service:
    port = Port(settings.models_port, "VOICE_MODELS_PORT")
    return _own(settings, "models", "models", "serve", port=port, path="/health")


def _serve(settings: Settings) -> Service:
    port = Port(settings.port, "VOICE_PORT", host=settings.host)
    return _own(settings, "serve", "serve", port=port, path="/health", needs=("livekit",), standby=True)


def _worker(settings: Settings, number: int) -> Service:
    name = f"worker-{number + 1}" if number else "worker"
    port = Port(settings.worker_port + number, "VOICE_WORKER_PORT")
    # Not `serve`: each takes seconds to start, and where both have died somebody is waiting.
    needs = ("livekit",)
    patience = _GOODBYES + settings.worker_drain
    more = {"needs": needs, "holds_leases": True, "stop_within": patience}
    return _own(settings, name, "worker", port=port, path="/", standby=True, **more)
