"""Permissions of VOICE_HOME: closed to other users of the machine, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.support.closed import open_to_others
from voice_agent import cli
from voice_agent.contracts import LogEvent
from voice_agent.observe.log import ReconnectLog
from voice_agent.settings import Settings
from voice_agent.stack import home, livekit, secret_store, state
from voice_agent.stack.processes import Identity
from voice_agent.stack.subprocess_utils import Account
from voice_agent.storage.database import Database


@pytest.fixture(autouse=True)
def careless_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


async def lived_in(place: Path) -> Settings:
    """A home as the modules make it that need no other program."""
    settings = secret_store.ensure(Settings(home=place))
    await livekit.write_configuration(settings)
    log = ReconnectLog(settings.reconnect_log, "serve")
    log.write(LogEvent.ROOM_OPENED)
    database = Database(settings.effective_database_url)
    async with database.begin() as connection:
        await connection.execute(text("CREATE TABLE said (words TEXT)"))
    lock = state.lock(place)
    state.save(place, state.RunState(run="r", supervisor=Identity(pid=1, started=0), url="", settings={}, services=[]))
    assert (place / "voice.db-wal").exists()
    assert open_to_others(place) == []
    os.close(lock)
    await database.close()
    return settings


async def test_everything_is_made_closed(tmp_path: Path) -> None:
    place = tmp_path / "new" / "home"
    home.make(Settings(home=place, letta_base_url="http://127.0.0.1:9"))
    await lived_in(place)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (place, place.parent)] == [0o700, 0o700]
    assert {path.name for path in place.iterdir()} >= {"stack.env", "voice.db", "logs", "run", "livekit.yaml"}


async def test_a_home_that_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    place = tmp_path / "home"
    home.make(Settings(home=place))
    settings = await lived_in(place)
    theirs = place / "holiday.jpg"
    theirs.touch()
    place.chmod(0o755)
    for path in (*place.rglob("*"), theirs):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (place / "logs" / "link").symlink_to(theirs)
    assert len(open_to_others(place)) > 5
    home.make(settings)
    home.tighten(settings)
    assert open_to_others(place) == [theirs]
    assert stat.S_IMODE(place.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)


def test_a_folder_of_everybody_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    home.make(Settings(home=tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_another_users_folder_is_that_users_alone(tmp_path: Path) -> None:
    program = tmp_path / "postgres" / "bin" / "postgres"
    program.parent.mkdir(parents=True)
    program.touch()
    program.chmod(0o755)
    nobody = Account("nobody", 65534, 65534)
    home.close(tmp_path / "postgres", nobody)
    assert {path.stat().st_uid for path in (program, *program.parents[:2])} == {nobody.uid}
    assert stat.S_IMODE(program.stat().st_mode) == 0o700
    assert open_to_others(tmp_path / "postgres") == []


def test_our_processes_write_for_their_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setattr(cli, "app", lambda: seen.append(os.umask(0o077)))
    cli.main()
    assert seen == [0o077]
