"""Reconnect log: what a line holds, concurrent writers, a disk that fails."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from voice_agent.cli import app
from voice_agent.contracts import LogEvent
from voice_agent.observe.following import follow
from voice_agent.observe.log import ReconnectLog
from voice_agent.observe.rendering import render
from voice_agent.observe.rotation import empty, parts, rotate


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def test_a_line_says_who_where_and_what(tmp_path: Path) -> None:
    log = ReconnectLog(tmp_path / "logs" / "log", "job")
    log.bind(room="r", session="s", agent="a", episode=3).bind(episode=4).write(LogEvent.TURN_STARTED, turn_id="t1")
    log.write(LogEvent.ROOM_OPENED)
    first, second = lines(log.path)
    assert first.keys() == {
        *("time", "mono", "pid", "process", "event", "room", "session", "agent", "episode", "fields", "seq")
    }
    assert (first["event"], first["room"], first["episode"], first["pid"]) == ("turn.started", "r", 4, os.getpid())
    assert first["fields"] == {"turn_id": "t1"}
    assert (first["seq"], second["seq"], second["room"]) == (1, 2, "")


def test_neither_secrets_nor_words_are_written(tmp_path: Path) -> None:
    log = ReconnectLog(tmp_path / "log", "job")
    log.write(LogEvent.NOTICE, text="hello", api_key="sk-1", access_token="x", code="y")
    assert lines(log.path)[0]["fields"] == {"text_length": 5, "api_key": "***", "access_token": "***", "code": "y"}
    told = ReconnectLog(tmp_path / "told", "job", spoken_text=True)
    told.write(LogEvent.NOTICE, text="hello")
    assert lines(told.path)[0]["fields"] == {"text": "hello"}


def test_a_place_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="rom"):
        ReconnectLog(tmp_path / "log", "job").bind().bind(rom="r")


def _write_many(path: Path, count: int) -> None:
    log = ReconnectLog(path, "job").bind(room="r" * 500)
    for _ in range(count):
        log.write(LogEvent.NOTICE)


def test_many_processes_write_whole_lines_through_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(path, 300)) for _ in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        rotate(path, most_bytes=20_000, keep=50)
    for writer in writers:
        writer.join()
        writer.close()
    written = [line for part in parts(path) for line in lines(part)]
    assert len(parts(path)) > 2
    assert len({(line["pid"], line["seq"]) for line in written}) == 900


def test_lines_that_could_not_be_written_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = ReconnectLog(path, "job")
    path.mkdir()
    log.write(LogEvent.NOTICE)
    log.write(LogEvent.NOTICE)
    path.rmdir()
    log.write(LogEvent.NOTICE)
    log.write(LogEvent.NOTICE)
    first, second = lines(path)
    assert (first["seq"], first["lost"], "lost" in second) == (3, 2, False)


def test_rotation_keeps_so_many_parts(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert not rotate(path)
    for number in range(5):
        path.write_text(str(number))
        assert rotate(path, most_bytes=1, keep=2)
    path.write_text("5")
    assert not rotate(path, most_bytes=100)
    assert [part.read_text() for part in parts(path)] == ["3", "4", "5"]


def test_what_a_program_prints_is_bounded_while_it_prints(tmp_path: Path) -> None:
    path, older = tmp_path / "some.log", tmp_path / "some.log.1"
    with path.open("ab", buffering=0) as printing:
        printing.write(b"one\n")
        assert not empty(path, most_bytes=5)
        printing.write(b"two\n")
        assert empty(path, most_bytes=5)
        printing.write(b"three\n")
        assert (path.read_text(), older.read_text()) == ("three\n", "one\ntwo\n")
        assert empty(path, most_bytes=5)
        printing.write(b"four\n")
    assert (path.read_text(), older.read_text()) == ("four\n", "three\n")
    assert older.stat().st_mode & 0o077 == 0
    assert not empty(tmp_path / "none", most_bytes=0)


def test_where_no_copy_can_be_made_the_bound_holds_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "some.log"
    path.write_text("one\n")
    (tmp_path / "some.log.1").mkdir()
    assert empty(path, most_bytes=1)
    assert path.read_text() == ""


def test_a_full_disk_raises_nothing_and_is_said_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes half of the first line, then nothing, then everything."""
    log = ReconnectLog(tmp_path / "log", "job")
    write, full = os.write, iter([True, True, True])

    def scarce(handle: int, data: bytes) -> int:
        if next(full, False):
            if log.path.stat().st_size == 0:
                return write(handle, data[:20])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data)

    monkeypatch.setattr("voice_agent.observe.log.os.write", scarce)
    for number in range(5):
        log.write(LogEvent.NOTICE, number=number)
    torn, said, after = log.path.read_text().splitlines()
    assert torn == torn[:20]
    told = json.loads(said)
    assert (told["fields"]["number"], told["seq"], told["lost"]) == (3, 4, 3)
    assert "lost" not in json.loads(after)
    assert "3 lines before this one could not be written" in render(told, colour=False)
    nowhere = tmp_path / "a file"
    nowhere.touch()
    ReconnectLog(nowhere / "logs" / "log", "job").write(LogEvent.NOTICE)


def test_lines_for_a_device_without_room_are_counted(tmp_path: Path) -> None:
    log = ReconnectLog(tmp_path / "log", "job")
    log.path.symlink_to("/dev/full")
    for _ in range(3):
        log.write(LogEvent.NOTICE)
    log.path.unlink()
    log.write(LogEvent.NOTICE)
    told = json.loads(log.path.read_text())
    assert (told["seq"], told["lost"]) == (4, 3)


def test_following_goes_on_through_growth_and_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log"

    def append(where: Path, text: str) -> None:
        with where.open("a") as handle:
            handle.write(text)

    happenings: Iterator[Callable[[], object]] = iter(
        [
            lambda: path.write_text('{"n": 1}\n{"n": '),
            lambda: append(path, "2}\nnonsense\n"),
            lambda: path.rename(tmp_path / "log.1"),
            lambda: append(tmp_path / "log.1", '{"n": 3}\n'),
            lambda: path.write_text('{"n": 4}\n'),
        ]
    )

    def wait() -> bool:
        happening = next(happenings, None)
        if happening is not None:
            happening()
        return happening is not None

    assert [line["n"] for line in follow(path, wait)] == [1, 2, 3, 4]
    assert list(follow(path, lambda: False, from_start=False)) == []


def test_people_see_aligned_lines_and_colour_only_on_a_terminal() -> None:
    line = {
        "time": "2026-01-02T03:04:05.678+00:00",
        "process": "job",
        "room": "a-room-with-a-very-long-name",
        "episode": 7,
        "event": "lifecycle.transition",
        "fields": {"trigger": "quiet", "from": "ready", "to": "engaged", "humans": 1, "memory": "fresh", "life": "x"},
    }
    plain = render(line, colour=False)
    assert "a-room-with-a-ver…    7  lifecycle.transition" in plain
    assert plain.endswith("ready → engaged  quiet, humans 1, memory fresh")
    assert "\x1b[" in render(line, colour=True)
    assert "\x1b[" not in plain
    odd = render({"event": "x", "time": "?", "fields": {"a": 1, "b": "c", "life": "y"}}, colour=True)
    assert odd.endswith("a=1  b=c")


def test_logs_filters_and_passes_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = ReconnectLog(path, "job")
    for room, session in (("r1", "s1"), ("r2", "s2"), ("r1", "s3")):
        log.bind(room=room, session=session).write(LogEvent.TURN_STARTED, turn_id=session)
        log.bind(room=room, session=session).write(LogEvent.NOTICE)
    path.rename(tmp_path / "log.1")
    log.bind(room="r1", session="s4").write(LogEvent.TURN_FINISHED, turn_id="s4")

    def shown(*options: str) -> list[str]:
        result = CliRunner().invoke(app, ["logs", "--file", str(path), *options])
        assert result.exit_code == 0, result.output
        return result.output.splitlines()

    assert len(shown()) == 7
    assert [json.loads(line)["session"] for line in shown("--room", "r1", "--event", "turn.", "--json")] == [
        *("s1", "s3", "s4")
    ]
    assert len(shown("--session", "s2")) == 2
    assert "\x1b[" not in "".join(shown())
