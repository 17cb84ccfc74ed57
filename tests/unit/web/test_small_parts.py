"""Rate limit, rotation."""

from __future__ import annotations

from pathlib import Path

from voice_agent.web.rate import RateLimit
from voice_agent.web.rotation import KEPT, rotate


def test_an_address_gets_its_share_and_then_one_at_a_time() -> None:
    limit = RateLimit(per_minute=6)
    assert [limit.take("a", 0.0) for _ in range(6)] == [0.0] * 6
    assert limit.take("a", 0.0) == 10.0
    assert limit.take("b", 0.0) == 0.0
    assert limit.take("a", 10.0) == 0.0
    assert limit.take("a", 10.0) > 0.0


def test_so_many_old_files_are_kept_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for number in range(KEPT + 3):
        path.write_text(str(number) * 10)
        assert rotate(path, max_bytes=5)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"log.{n}" for n in range(1, KEPT + 1)]
    assert (tmp_path / "log.1").read_text() == str(KEPT + 2) * 10
    path.write_text("tiny")
    assert not rotate(path, max_bytes=5)
