"""Learner killed at random moments: no fact is lost, and none is stored twice. `bench.sh soak` does it 200 times."""

from __future__ import annotations

from pathlib import Path

from tests.support.kills import learning_is_killed


async def test_no_fact_is_lost_and_none_is_there_twice(tmp_path: Path) -> None:
    await learning_is_killed(tmp_path, kills=4)
