"""Rate limit, log tail, rotation."""

from __future__ import annotations

from pathlib import Path

from voice_agent.web.events import LogTail
from voice_agent.web.rate import RateLimit
from voice_agent.web.rotation import KEPT, rotate


def test_an_address_gets_its_share_and_then_one_at_a_time() -> None:
    limit = RateLimit(per_minute=6)
    assert [limit.take("a", 0.0) for _ in range(6)] == [0.0] * 6
    assert limit.take("a", 0.0) == 10.0
    assert limit.take("b", 0.0) == 0.0
    assert limit.take("a", 10.0) == 0.0
    assert limit.take("a", 10.0) > 0.0


def test_only_whole_lines_are_read_and_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = LogTail(path, None)
    assert tail.read() == []
    path.write_bytes(b"one\ntwo\nthr")
    lines = tail.read()
    assert [line for _, line in lines] == [b"one", b"two"]
    with path.open("ab") as file:
        file.write(b"ee\n")
    assert [line for _, line in tail.read()] == [b"three"]
    again = LogTail(path, lines[0][0])
    assert [line for _, line in again.read()] == [b"two", b"three"]


def test_a_rotated_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    tail = LogTail(path, None)
    tail.read()
    assert rotate(path, max_bytes=1)
    path.write_bytes(b"new\n")
    assert [line for _, line in tail.read()] == [b"new"]


def test_a_position_that_is_not_ours_means_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    for position in ("x", "1-", "-5", "99-99999", "../etc"):
        assert [line for _, line in LogTail(path, position).read()] == [b"one"]


def test_so_many_old_files_are_kept_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for number in range(KEPT + 3):
        path.write_text(str(number) * 10)
        assert rotate(path, max_bytes=5)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"log.{n}" for n in range(1, KEPT + 1)]
    assert (tmp_path / "log.1").read_text() == str(KEPT + 2) * 10
    path.write_text("tiny")
    assert not rotate(path, max_bytes=5)
