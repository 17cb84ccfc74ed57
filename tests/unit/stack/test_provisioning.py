"""Provisioning and secrets: reused if right, rebuilt if damaged, never left incomplete."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from tests.support.eventually import eventually
from voice_agent import settings as settings_module
from voice_agent.cli import app
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.settings import Settings
from voice_agent.stack import livekit, secret_store
from voice_agent.stack.subprocess_utils import appear, run

SERVER = f"#!/bin/sh\necho livekit-server version {livekit.VERSION}\n"


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def go(folder: Path, *, version: str = "go1.26.3", build: str = "") -> None:
    """In place of the toolchain, which takes minutes: `go build … -o FILE …` writes one that tells its version."""
    script = f"""#!/bin/sh
if [ "$1" = version ]; then echo "go version {version} linux/amd64"; exit; fi
{build}
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho livekit-server version {livekit.VERSION}\\n' > "$2"; chmod +x "$2"
"""
    program(folder / "go", script)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The only folder on PATH besides the shell's own tools."""
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{tmp_path / 'path'}:/bin"
    yield tmp_path / "path"
    os.environ["PATH"] = before


async def provision(cache: Path) -> tuple[Path, list[str]]:
    said: list[str] = []
    settings = Settings(cache=cache)
    await livekit.provision(settings, said.append)
    return livekit.binary(settings), said


async def test_a_server_of_the_right_version_on_path_is_used_as_it_is(path: Path, tmp_path: Path) -> None:
    mine = program(path / "livekit-server", SERVER)
    assert (await provision(tmp_path / "cache"))[0] == mine
    assert not (tmp_path / "cache").exists()


async def test_one_of_another_version_is_not(path: Path, tmp_path: Path) -> None:
    program(path / "livekit-server", "#!/bin/sh\necho livekit-server version 1.13.4\n")
    go(path)
    binary, said = await provision(tmp_path / "cache")
    assert binary.is_relative_to(tmp_path / "cache")
    assert "building" in said[0]


async def test_it_is_built_once(path: Path, tmp_path: Path) -> None:
    go(path)
    binary, _ = await provision(tmp_path / "cache")
    assert livekit.version_of(binary) == livekit.VERSION
    (path / "go").unlink()
    assert await provision(tmp_path / "cache") == (binary, [])


async def test_a_damaged_binary_is_never_used_and_built_again(path: Path, tmp_path: Path) -> None:
    go(path)
    binary, _ = await provision(tmp_path / "cache")
    binary.write_bytes(b"\x7fELF truncated")
    binary, said = await provision(tmp_path / "cache")
    assert "damaged" in said[0]
    assert livekit.version_of(binary) == livekit.VERSION


@pytest.mark.parametrize(
    ("printed", "code"),
    [("dial tcp: lookup proxy: no such host", Code.BUILD_FAILED), ("write: No space left on device", Code.DISK_FULL)],
)
async def test_a_failed_build_says_why_and_leaves_nothing(path: Path, tmp_path: Path, printed: str, code: Code) -> None:
    go(path, build=f"echo '{printed}' >&2; exit 1")
    with pytest.raises(VoiceAgentError) as failed:
        await provision(tmp_path / "cache")
    assert failed.value.code is code
    assert printed in failed.value.message
    assert failed.value.remedy
    left = [entry.name for entry in (tmp_path / "cache" / "livekit-server").iterdir()]
    assert left == [f".{livekit.VERSION}.lock"]


async def test_two_at_once_do_the_work_once(tmp_path: Path) -> None:
    said: list[str] = []
    built: list[Path] = []

    async def build(work: Path) -> None:
        built.append(work)
        await asyncio.sleep(0.2)
        (work / "file").write_text("whole")

    target = tmp_path / "thing"
    await asyncio.gather(*(appear(target, build, said.append) for _ in range(3)))
    assert len(built) == 1
    assert (target / "file").read_text() == "whole"
    assert any("waiting for another start" in line for line in said)


async def test_a_cancelled_program_is_gone_with_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "child"
    script = (
        "import os, subprocess, sys, time\nchild = subprocess.Popen(['sleep', '60'])\n"
        f"open('{mark}.new', 'w').write(str(child.pid))\nos.rename('{mark}.new', '{mark}')\ntime.sleep(60)\n"
    )
    running = asyncio.create_task(run(sys.executable, "-c", script, what="it", remedy=""), name="program")
    while not mark.exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.02)
    child = psutil.Process(int(mark.read_text()))
    running.cancel()
    async with asyncio.timeout(20):  # a child that lives on would keep the pipe open for a minute
        with pytest.raises(asyncio.CancelledError):
            await running

    def gone() -> bool:
        try:
            return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:  # between the two questions
            return True

    assert await asyncio.to_thread(eventually, gone, bool, within=30)


def stored(home: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (home / "stack.env").read_text().splitlines())


def test_rotated_secrets_are_new_and_for_our_eyes_only(tmp_path: Path) -> None:
    secret_store.ensure(Settings(home=tmp_path))
    path = tmp_path / "stack.env"
    path.write_text(path.read_text() + "VOICE_ADMIN_SECRET=generated\nOPENAI_API_KEY=mine\n")
    path.chmod(0o644)
    before, inode = stored(tmp_path), path.stat().st_ino
    replaced = secret_store.rotate(Settings(home=tmp_path))
    after = stored(tmp_path)
    assert set(replaced) == {*secret_store.MAKERS, "VOICE_ADMIN_SECRET"}
    assert {name for name in before if before[name] == after[name]} == {"OPENAI_API_KEY"}
    assert after.keys() == before.keys()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_ino != inode  # put in place whole
    assert [entry.name for entry in tmp_path.iterdir()] == ["stack.env"]


def test_secrets_of_servers_that_are_given_are_not_ours_to_rotate(tmp_path: Path) -> None:
    secret_store.ensure(Settings(home=tmp_path))
    given = Settings(home=tmp_path, letta_base_url="https://letta.example", livekit_url="wss://livekit.example")
    assert secret_store.rotate(given) == ["VOICE_INTERNAL_SECRET"]


def test_rotating_says_what_it_means_and_shows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in settings_module.names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VOICE_HOME", str(tmp_path))
    with pytest.raises(Permanent) as refused:
        CliRunner().invoke(app, ["secrets", "rotate"], catch_exceptions=False)
    assert refused.value.code is Code.NOT_RUNNING
    secret_store.ensure(Settings(home=tmp_path))
    monkeypatch.setenv("LETTA_API_KEY", "mine")
    said = CliRunner().invoke(app, ["secrets", "rotate"], catch_exceptions=False).output
    assert "LIVEKIT_API_SECRET" in said
    assert "Not used, because given elsewhere: LETTA_API_KEY (environment)." in said
    assert "voice-agent restart" in said
    assert "Sessions that are open then end" in said
    assert not [value for value in stored(tmp_path).values() if value in said]


def test_secrets_are_made_once_and_are_for_our_eyes_only(tmp_path: Path) -> None:
    first = secret_store.ensure(Settings(home=tmp_path))
    assert secret_store.ensure(Settings(home=tmp_path)) == first
    assert len({first.livekit_api_secret, first.letta_api_key, first.internal_secret}) == 3
    assert stat.S_IMODE((tmp_path / "stack.env").stat().st_mode) == 0o600
    mine = secret_store.ensure(Settings(home=tmp_path, livekit_api_secret="mine"))
    assert mine.livekit_api_secret == "mine"
    theirs = secret_store.ensure(Settings(home=tmp_path, letta_base_url="https://example.org"))
    assert theirs.letta_api_key == ""
