"""Archive under kills, read from Letta: every fact once, whenever the process that writes them is killed."""

from __future__ import annotations

from pathlib import Path

from tests.support.kills import archiving_is_killed
from tests.support.stack import Stack


async def test_killed_at_random_moments_each_fact_is_in_one_home_once(stack: Stack, tmp_path: Path) -> None:
    await archiving_is_killed(stack, tmp_path, kills=2)
