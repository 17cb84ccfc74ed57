"""Retention: deletes records of conversations after VOICE_TRANSCRIPT_DAYS. Facts stay until a person deletes them.

Never deleted: a turn that Letta is to get, a session that can be resumed, an open room, and the thread of a room that
is kept. The age of sessions counts from their end or last human, that of rooms from their closing, that of turns and
snapshots from when they were made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Table, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from voice_agent import clock
from voice_agent.contracts import JobMetadata
from voice_agent.memory.access import room_thread
from voice_agent.memory.outbox import finished_before
from voice_agent.memory.tables import snapshots, threads, turns
from voice_agent.memory.threads import THREAD_CHARS, Rewrite
from voice_agent.registry.tables import sessions
from voice_agent.rooms.tables import leases, rooms, workers
from voice_agent.settings import Settings
from voice_agent.storage.database import Database

_EVERY: Final = 3600.0
_WORKER_SILENT_FOR: Final = 3600.0
"""A worker moves its beat every few seconds, and one deleted by mistake announces itself again."""
_FEW: Final = 500
"""SQLite takes at most some thousand values in one statement."""

Which = tuple[Table, ColumnElement[bool]]


class Retention:
    def __init__(self, settings: Settings, database: Database, now: Callable[[], float] = time.monotonic) -> None:
        """`now` only measures durations."""
        self._settings = settings
        self._database = database
        self._now = now
        self._due_at = now()
        self._beats: dict[str, tuple[int, float]] = {}
        """Worker → its beat, and since when it has not moved."""

    async def run_due(self) -> None:
        """Runs at most once an hour; a call in between costs nothing."""
        if self._now() >= self._due_at:
            self._due_at = self._now() + _EVERY
            await self.run()

    async def run(self) -> None:
        for table, old in self._old():
            async with self._database.begin() as connection:  # each alone: no other writer waits for all
                await connection.execute(delete(table).where(old))
        async with self._database.begin() as connection:
            for keys in _few(await self._unused_threads(connection)):
                await connection.execute(delete(threads).where(threads.c.thread.in_(keys)))
        async with self._database.begin() as connection:
            dead = await self._dead_workers(connection)
            await connection.execute(delete(workers).where(workers.c.name.in_(dead)))
        await asyncio.to_thread(self._delete_logs)

    async def overdue(self) -> dict[str, int]:
        """Counts of records that are older than allowed, by kind; without zeros."""
        found: dict[str, int] = {}
        async with self._database.read() as connection:
            for table, old in self._old():
                query = select(func.count()).select_from(table).where(old)
                found[table.name] = int(await connection.scalar(query) or 0)
        found["log files"] = len(await asyncio.to_thread(self._old_logs))
        return {what: count for what, count in found.items() if count}

    def _old(self) -> Sequence[Which]:
        """Leases come after rooms: a lease goes once its room is gone."""
        kept = timedelta(days=self._settings.transcript_days)
        said_before = clock.now() - kept
        seen_before = time.time() - max(kept.total_seconds(), self._settings.session_validity)
        return (
            (turns, finished_before(said_before)),
            (sessions, func.coalesce(sessions.c.ended_at, sessions.c.last_human_at) < seen_before),
            (rooms, rooms.c.closed_at < seen_before),
            (leases, leases.c.room.not_in(select(rooms.c.name))),
            (snapshots, snapshots.c.loaded_at < said_before),
        )

    async def _unused_threads(self, connection: AsyncConnection) -> list[str]:
        """Threads without a turn, a room and pending work in Letta."""
        idle = (threads.c.rewrite == Rewrite.NOTHING) & threads.c.old_conversation_id.is_(None)
        there = (await connection.scalars(select(threads.c.thread).where(idle))).all()
        used = set((await connection.scalars(select(turns.c.thread).distinct())).all())
        for job in await connection.scalars(select(rooms.c.job)):
            used |= _thread_of(job)
        # The key of a person's own conversation begins with its thread (memory/threads.py).
        beginnings = {thread[:THREAD_CHARS] for thread in used}
        return [key for key in there if key not in used and key.rpartition("#")[0] not in beginnings]

    async def _dead_workers(self, connection: AsyncConnection) -> list[str]:
        now = self._now()
        rows = (await connection.execute(select(workers.c.name, workers.c.beat))).all()
        before, self._beats = self._beats, {}
        for name, beat in rows:
            known = before.get(name)
            self._beats[name] = known if known is not None and known[0] == beat else (beat, now)
        return [name for name, (_, since) in self._beats.items() if now - since >= _WORKER_SILENT_FOR]

    def _old_logs(self) -> list[Path]:
        """Rotated files only: the others are being written to."""
        limit = datetime.now(UTC).timestamp() - timedelta(days=self._settings.transcript_days).total_seconds()
        rotated = (path for path in self._settings.reconnect_log.parent.glob("*.*.*") if path.suffix[1:].isdigit())
        return [path for path in rotated if path.is_file() and path.stat().st_mtime < limit]

    def _delete_logs(self) -> None:
        for path in self._old_logs():
            path.unlink(missing_ok=True)


def _thread_of(job: Any) -> set[str]:
    try:
        return {room_thread(JobMetadata.model_validate(job))}
    except ValidationError:  # of another version: our jobs refuse it
        return set()


def _few(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + _FEW] for start in range(0, len(keys), _FEW))
