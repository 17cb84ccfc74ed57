"""End of an SQLite connection."""

from __future__ import annotations

import asyncio
from pathlib import Path

from voice_agent.storage.database import _open_sqlite


async def test_a_connection_that_was_stopped_can_be_closed(tmp_path: Path) -> None:
    """As when a task is cancelled while it gives its connection back: SQLAlchemy stops what it is closing."""
    connection = await _open_sqlite(tmp_path / "voice.db")
    closing = asyncio.create_task(connection.close(), name="closing")
    await asyncio.sleep(0)
    stopped = connection.stop()
    assert stopped is not None
    await asyncio.wait_for(closing, 10)
    await stopped
