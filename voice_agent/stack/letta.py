"""Letta server of the all-in-one run: its virtual environment, database, process environment and configuration."""

from __future__ import annotations

import asyncio
import os
import sys
import tarfile
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg

from voice_agent.downloads import Artifact, Place
from voice_agent.errors import Code, Temporary
from voice_agent.providers import endpoints
from voice_agent.providers.local_server import RECORDER
from voice_agent.settings import Settings
from voice_agent.stack import postgres, readiness
from voice_agent.stack.subprocess_utils import Report, appear, fetched, run

VERSION: Final = "0.16.8"
SDIST_SHA256: Final = "363e26989e552c859ce2e7961d484acee6fccfc1e7b16e8f644b1ae1ccd754a3"
SDIST: Final = Artifact(
    name=f"letta {VERSION} sources",
    sha256=SDIST_SHA256,
    size=8_221_388,
    places=((Place("pypi", "letta", VERSION, sdist=True, archive_sha256=SDIST_SHA256),),),
)
MODELS_WITHIN: Final = 60.0
LETTA_WHEEL: Final = Path(__file__).parent / "pinned" / "letta.txt"
LAUNCHER: Final = Path(__file__).parent / "letta_launcher.py"


# Letta stores address and model when it first sees them, copies both into every agent, and never updates them.
PROVIDER_ADDRESS: Final = "UPDATE providers SET base_url = $1 WHERE name = 'vllm'"
AGENT_ADDRESS: Final = """
    UPDATE agents SET llm_config = (llm_config::jsonb || jsonb_build_object('model_endpoint', $1::text))::json
    WHERE llm_config ->> 'handle' LIKE 'vllm/%' AND llm_config ->> 'model_endpoint' <> $1
"""
AGENT_MODEL: Final = """
    UPDATE agents SET llm_config =
        (llm_config::jsonb || jsonb_build_object('model', $1::text, 'handle', 'vllm/' || $1::text))::json
    WHERE llm_config ->> 'handle' LIKE 'vllm/%' AND llm_config ->> 'handle' <> ALL($2::text[])
"""


def directory(settings: Settings) -> Path:
    return settings.home / "letta"


def installation(settings: Settings) -> Path:
    # A virtual environment works with one Python minor version: another version gets another folder.
    return settings.cache / "letta" / f"{VERSION}-py{sys.version_info.major}.{sys.version_info.minor}"


def python(settings: Settings) -> Path:
    return installation(settings) / "venv" / "bin" / "python"


async def provision(settings: Settings, report: Report) -> None:
    async def build(work: Path) -> None:
        report(f"letta {VERSION}: installing it into an environment of its own, once (260 packages, 800 MB)")
        [sdist] = await fetched([SDIST], settings.cache, report)
        await asyncio.to_thread(_unpack, sdist, work)
        await _install(work)

    await appear(installation(settings), build, report)
    for folder in (directory(settings), directory(settings) / "home"):
        folder.mkdir(mode=0o700, exist_ok=True)


def _unpack(sdist: Path, work: Path) -> None:
    # The wheel has no migrations; the lock file beside them is the only set of versions that works together.
    with tarfile.open(sdist) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python before 3.11.4 has none
        archive.extractall(work)  # noqa: S202 - the archive is pinned by hash; the filter is a second protection
    (work / f"letta-{VERSION}").rename(work / "source")


async def _install(work: Path) -> None:
    remedy = "Check the network (or the index your uv uses) and start again; what was fetched is kept."
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    source, venv, requirements = str(work / "source"), str(work / "venv"), str(work / "requirements.txt")
    interpreter = ("--python", sys.executable)
    install = ("pip", "install", "--quiet", "--python", venv, "--no-deps", "--require-hashes")
    steps = (
        (
            *("export", "--quiet", "--project", source, *interpreter, "--frozen", "--no-dev"),
            *("--no-emit-project", "--extra", "server", "--extra", "postgres"),
            # psycopg2 would be compiled, which needs an installed Postgres; psycopg2-binary is in the list as well.
            *("--no-emit-package", "psycopg2", "--output-file", requirements),
        ),
        ("venv", "--quiet", "--relocatable", *interpreter, venv),
        (*install, "--requirement", requirements),
        (*install, "--requirement", str(LETTA_WHEEL)),
    )
    for step in steps:
        await run(
            *("uv", *step),
            what="Installing Letta",
            remedy=remedy,
            code=Code.DOWNLOAD_FAILED,
            directory=work,
            environment=environment,
        )


def environment(settings: Settings) -> dict[str, str]:
    """Without the caller's variables: a stray API key would make Letta offer models that cost money."""
    home = directory(settings) / "home"
    return {
        "PATH": f"{python(settings).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        # The server needs `sslmode`; its migrations fail with it.
        "LETTA_PG_URI": postgres.url(settings) + "?sslmode=disable",
        # With the default NullPool, messages.create has hung.
        "LETTA_DISABLE_SQLALCHEMY_POOLING": "false",
        "LETTA_TRACK_PROVIDER_TRACE": "false",
        "LETTA_TRACK_STOP_REASON": "false",
        "LETTA_DISABLE_TRACING": "true",
        "LETTA_LLM_API_LOGGING": "false",
        "LETTA_LOG_LEVEL": "WARNING",
        # LETTA_SERVER_SECURE without a password leaves the server open.
        "LETTA_SERVER_SECURE": "true",
        "LETTA_SERVER_PASSWORD": settings.letta_api_key,
        "VLLM_API_BASE": f"http://127.0.0.1:{settings.models_port}",
    }


def command(settings: Settings) -> tuple[str, ...]:
    # -P: the launcher's folder also holds our own `letta` module.
    return (str(python(settings)), "-P", str(LAUNCHER), "127.0.0.1", str(settings.letta_port))


async def prepare(settings: Settings) -> None:
    """Before Letta starts, with Postgres up: creates and migrates the database and sets our model server in it."""
    # Letta lists the models of its providers once, at its start: the list must be available by then.
    await readiness.wait(partial(readiness.http, f"{settings.models_url}/models"), MODELS_WITHIN)
    try:
        await _create_database(settings)
        connection = await asyncpg.connect(postgres.url(settings), timeout=10)
        try:
            await _migrate_if_needed(connection, settings)
            await _reconcile(connection, settings)
        finally:
            await connection.close(timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Temporary(Code.DATABASE_UNAVAILABLE, f"Letta's database: {error}.", "See postgres.log.") from error


async def _migrate_if_needed(connection: asyncpg.Connection, settings: Settings) -> None:
    # Alembic needs ten seconds even if there is nothing to migrate.
    marker = directory(settings) / "migrated"
    if not marker.is_file() or marker.read_text() != await _revision(connection):
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        await _migrate(settings)
        marker.write_text(await _revision(connection))


async def _create_database(settings: Settings) -> None:
    connection = await asyncpg.connect(postgres.url(settings, "postgres"), timeout=10)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", postgres.DATABASE):
            await connection.execute(f"CREATE DATABASE {postgres.DATABASE}")
    finally:
        await connection.close(timeout=10)


async def _revision(connection: asyncpg.Connection) -> str:
    if not await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
        return ""
    return " ".join((VERSION, await connection.fetchval("SELECT version_num FROM alembic_version")))


async def _migrate(settings: Settings) -> None:
    await run(
        *(python(settings), "-m", "alembic", "upgrade", "head"),
        what="Migrating Letta's database",
        remedy="Look at the message above; the database itself was not damaged.",
        directory=installation(settings) / "source",
        environment=environment(settings) | {"LETTA_PG_URI": postgres.url(settings)},
    )


async def _reconcile(connection: asyncpg.Connection, settings: Settings) -> None:
    model = endpoints.llm(settings).model
    known = [f"vllm/{name}" for name in (model, RECORDER)]
    await connection.execute(PROVIDER_ADDRESS, settings.models_url)
    await connection.execute(AGENT_ADDRESS, settings.models_url)
    await connection.execute(AGENT_MODEL, model, known)
