"""No traceback reaches a person: whatever goes wrong in a command is a line with a code, and the exit code says so."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from tests.support.stack import free_ports
from voice_agent import cli, settings
from voice_agent.errors import Code

WITHIN = 60.0
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


def run(
    environment: Mapping[str, str], *arguments: str, entry: tuple[str, ...] = ("-m", "voice_agent.cli")
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *entry, *arguments],
        env=dict(environment),
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


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
    chosen = [words for words in ALL if words[0] not in WITHOUT_SETTINGS and words[:2] != ("settings",)]
    assert len(chosen) > 20
    chosen.remove(("worker",))  # begins with a process that holds what its jobs import
    assert "VOICE_PORT" in failed(run(wrong, "worker"), Code.SETTING_INVALID)
    for words in chosen:
        monkeypatch.setattr(sys, "argv", ["voice-agent", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        done = subprocess.CompletedProcess(words, int(str(ended.value.code)), said.out, said.err)
        assert "VOICE_PORT" in failed(done, Code.SETTING_INVALID), words


def test_a_port_that_is_taken_is_named(surroundings: dict[str, str]) -> None:
    for command, setting in ((("serve",), "VOICE_PORT"), (("models", "serve"), "VOICE_MODELS_PORT")):
        with socket.create_server(("127.0.0.1", int(surroundings[setting]))):
            assert setting in failed(run(surroundings, *command), Code.PORT_TAKEN)


@pytest.mark.parametrize("command", [("up",), ("down",), ("memory", "pending")], ids=" ".join)
def test_a_folder_that_cannot_be_is_named(
    surroundings: dict[str, str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "home")
    done = run(surroundings | {"VOICE_HOME": place}, *command)
    assert place in failed(done, Code.FILE_UNUSABLE)


@pytest.mark.parametrize("command", [("serve",), ("worker",), ("memory", "pending")], ids=" ".join)
def test_a_database_that_cannot_be_opened_is_named(surroundings: dict[str, str], command: tuple[str, ...]) -> None:
    failed(run(surroundings | {"VOICE_DATABASE_URL": NOWHERE}, *command), Code.DATABASE_UNAVAILABLE)


def test_a_database_that_is_none_is_named(surroundings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "voice.db").write_bytes(b"this is no database" * 100)
    failed(run(surroundings, "serve"), Code.DATABASE_UNAVAILABLE)


def test_somebody_elses_server_is_not_taken_for_ours(surroundings: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(surroundings["VOICE_PORT"]))) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(run, surroundings, "reset", "room")
        connection, _ = server.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            failed(asked.result(WITHIN), Code.NOT_RUNNING)


def test_an_interrupted_command_says_nothing(surroundings: dict[str, str], tmp_path: Path) -> None:
    serve = subprocess.Popen(
        [sys.executable, "-m", "voice_agent.cli", "serve"],
        env=surroundings,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while True:  # it listens when it has begun
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(surroundings["VOICE_PORT"]))) == 0:
                    break
            assert serve.poll() is None
            signal.sigtimedwait([], 0.1)
        serve.send_signal(signal.SIGINT)
        said, _ = serve.communicate(timeout=WITHIN)
    finally:
        serve.kill()
        serve.wait()
    assert (serve.returncode, "Traceback" in said) == (130, False), said


BROKEN = """
from voice_agent import cli

@cli.app.command()
def broken() -> None:
    raise RuntimeError("the key {key} and what nobody expected")

cli.main()
"""


def test_what_nobody_expected_is_a_line_and_a_file(surroundings: dict[str, str], tmp_path: Path) -> None:
    script = BROKEN.format(key=KEYS["LIVEKIT_API_SECRET"])
    line = failed(run(surroundings, "broken", entry=("-c", script)), Code.INTERNAL, 70)
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
def test_serve_without_its_monitor_ends_with_a_reason(surroundings: dict[str, str], how: str) -> None:
    script = "import asyncio\n" + ENDING.format(how=how)
    assert "room-health-monitor" in failed(run(surroundings, "serve", entry=("-c", script)), Code.INTERNAL)
