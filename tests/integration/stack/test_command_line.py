"""Errors of commands: one line with a code, an exit code, and no traceback."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from tests.support.eventually import PATIENCE, eventually
from tests.support.prepared import Prepared
from tests.support.stack import free_ports
from voice_agent import cli, settings
from voice_agent.errors import Code

NOWHERE = "sqlite+aiosqlite:////dev/null/voice.db"
KEYS = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret" * 8, "VOICE_INTERNAL_SECRET": "internal" * 4}


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    known = settings.names()
    clean = {name: value for name, value in os.environ.items() if name not in known}
    serve, worker, models = free_ports(3)
    ports = {"VOICE_PORT": str(serve), "VOICE_WORKER_PORT": str(worker), "VOICE_MODELS_PORT": str(models)}
    return (
        clean | KEYS | ports | {"VOICE_HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    )


MAIN = "from voice_agent import cli; cli.main()"
WITHOUT_JOBS = f"from multiprocessing import forkserver; forkserver.ensure_running = lambda: None; {MAIN}"
"""The server of a worker's job processes imports all of livekit: nothing that ends before the first job needs it."""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(prepared: Prepared) -> Run:
    """`voice-agent ...` in a process of its own; no traceback is printed."""

    def ran(environment: Mapping[str, str], *arguments: str, code: str = MAIN) -> subprocess.CompletedProcess[str]:
        done = prepared.run(code, *arguments, environment=environment, cwd=Path(tempfile.gettempdir()))
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    return ran


def failed(done: subprocess.CompletedProcess[str], code: str, exit_code: int = 1) -> str:
    """Its one line."""
    assert done.returncode == exit_code, (done.returncode, done.stderr)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert f"[{code}]" in line, line
    return line


def commands(group: TyperGroup, *above: str) -> Iterator[tuple[str, ...]]:
    """Every command with whatever it must be given."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, *above, name)
        elif isinstance(command, TyperCommand):
            needed = [parameter for parameter in command.params if parameter.required]
            yield (*above, name, *(word for one in needed for word in (*one.opts[:1], "1") if word != one.name))


ALL = list(commands(typer.main.get_group(cli.app)))
WITHOUT_SETTINGS = {"replay"}


def test_every_command_names_a_setting_that_is_wrong(
    surroundings: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: in one of its own each would import everything anew."""
    wrong = surroundings | {"VOICE_PORT": "abc"}
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "umask", lambda _: None)
    monkeypatch.setattr(forkserver, "set_forkserver_preload", lambda _: None)
    monkeypatch.setattr(forkserver, "ensure_running", lambda: None)
    for name in ("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "LIVEKIT_AGENTS_LOOP_BLOCK_WARN_MS"):
        monkeypatch.setenv(name, "0")  # the worker sets them
    chosen = [words for words in ALL if words[0] not in WITHOUT_SETTINGS and words[:2] != ("settings",)]
    assert len(chosen) > 20
    for words in chosen:
        monkeypatch.setattr(sys, "argv", ["voice-agent", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        done = subprocess.CompletedProcess(words, int(str(ended.value.code)), said.out, said.err)
        assert "VOICE_PORT" in failed(done, Code.SETTING_INVALID), words


def test_a_port_that_is_taken_is_named(run: Run, surroundings: dict[str, str]) -> None:
    for command, setting in ((("serve",), "VOICE_PORT"), (("models", "serve"), "VOICE_MODELS_PORT")):
        with socket.create_server(("127.0.0.1", int(surroundings[setting]))):
            assert setting in failed(run(surroundings, *command), Code.PORT_TAKEN)


@pytest.mark.parametrize("command", [("up",), ("down",), ("memory", "pending")], ids=" ".join)
def test_a_folder_that_cannot_be_is_named(
    run: Run, surroundings: dict[str, str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "home")
    done = run(surroundings | {"VOICE_HOME": place}, *command)
    assert place in failed(done, Code.FILE_UNUSABLE)


@pytest.mark.parametrize("command", [("serve",), ("worker",), ("memory", "pending")], ids=" ".join)
def test_a_database_that_cannot_be_opened_is_named(
    run: Run, surroundings: dict[str, str], command: tuple[str, ...]
) -> None:
    done = run(surroundings | {"VOICE_DATABASE_URL": NOWHERE}, *command, code=WITHOUT_JOBS)
    failed(done, Code.DATABASE_UNAVAILABLE)


def test_a_database_that_is_none_is_named(run: Run, surroundings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "voice.db").write_bytes(b"this is no database" * 100)
    failed(run(surroundings, "serve"), Code.DATABASE_UNAVAILABLE)


def test_somebody_elses_server_is_not_taken_for_ours(run: Run, surroundings: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(surroundings["VOICE_PORT"]))) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(run, surroundings, "reset", "room")
        connection, _ = server.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            failed(asked.result(PATIENCE), Code.NOT_RUNNING)


def taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_an_interrupted_command_says_nothing(prepared: Prepared, surroundings: dict[str, str], tmp_path: Path) -> None:
    serve = prepared.start(MAIN, "serve", environment=surroundings, cwd=tmp_path)
    listens = eventually(lambda: taken(int(surroundings["VOICE_PORT"])), bool, within=PATIENCE, every=0.05)
    serve.send_signal(signal.SIGINT)
    done = serve.ended()
    assert listens, done
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (130, False), done


BROKEN = """
from voice_agent import cli

@cli.app.command()
def broken() -> None:
    raise RuntimeError("the key {key} and what nobody expected")

cli.main()
"""


def test_what_nobody_expected_is_a_line_and_a_file(run: Run, surroundings: dict[str, str], tmp_path: Path) -> None:
    script = BROKEN.format(key=KEYS["LIVEKIT_API_SECRET"])
    line = failed(run(surroundings, "broken", code=script), Code.INTERNAL, 70)
    assert "nobody expected" not in line
    (path,) = re.findall(r"(/\S+errors\.log)", line)
    told = Path(path).read_text()
    assert Path(path) == tmp_path / "home" / "logs" / "errors.log"
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert "Traceback" in told
    assert "and what nobody expected" in told
    assert KEYS["LIVEKIT_API_SECRET"] not in told


ENDING = """
from voice_agent import cli
from voice_agent.rooms.monitor import Monitor

async def ends(_: Monitor) -> None:
    {how}

Monitor.run = ends
cli.main()
"""


@pytest.mark.parametrize("how", ["return", "raise ValueError", "raise asyncio.CancelledError"])
def test_serve_without_its_monitor_ends_with_a_reason(run: Run, surroundings: dict[str, str], how: str) -> None:
    script = "import asyncio\n" + ENDING.format(how=how)
    assert "room-health-monitor" in failed(run(surroundings, "serve", code=script), Code.INTERNAL)
