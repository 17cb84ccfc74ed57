"""Memory processes killed at random moments, often: nothing is lost or stored twice (as tests/integration/memory)."""

from __future__ import annotations

from pathlib import Path

from tests.support.kills import archiving_is_killed, learning_is_killed, talk_is_killed
from tests.support.stack import Stack

KILLS = 12


async def test_talk(stack: Stack, tmp_path: Path) -> None:
    await talk_is_killed(stack, tmp_path, KILLS)


async def test_archiving(stack: Stack, tmp_path: Path) -> None:
    await archiving_is_killed(stack, tmp_path, KILLS)


async def test_learning(tmp_path: Path) -> None:
    await learning_is_killed(tmp_path, KILLS)
