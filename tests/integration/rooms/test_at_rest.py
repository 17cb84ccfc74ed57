"""Monitor at rest: with empty rooms it makes few database queries, and still serves a caller who arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from tests.support.control_plane import ControlPlane, visitor

REST = 6.0
ENDED_WITHIN = 60.0


@contextmanager
def asked_for_workers() -> Iterator[list[str]]:
    """Whenever the monitor looks whether workers came or went."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if "FROM workers" in statement:
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def looks() -> int:
    """Within REST seconds: what is counted needs time to pass."""
    with asked_for_workers() as asked:
        await asyncio.sleep(REST)
    return len(asked)


async def test_where_nobody_is_the_monitor_looks_seldom_and_where_somebody_is_often(plane: ControlPlane) -> None:
    async with asyncio.timeout(ENDED_WITHIN):  # what other tests left in their rooms ends first
        while await looks() > 3:
            pass
    session = await plane.open_session()
    async with visitor(session):
        assert await looks() >= REST, "a worker that comes is not seen soon"
