"""Event stream (SSE) of the reconnect log, filtered to what the caller may see."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from voice_agent.web.auth import AnyCaller, ServicesDep, admin
from voice_agent.web.errors import documented
from voice_agent.web.rate_limits import StreamLimit
from voice_agent.web.schemas import Id

router = APIRouter(tags=["live"])

BACKLOG: Final = 200
LOOK_BACK: Final = 2 * 1024 * 1024
"""Bytes from the end of the log. Nothing older is read, however large the log is."""
_LOOK_AGAIN: Final = 0.2
"""Seconds between polls of the log file."""
_KEEP_ALIVE: Final = 15.0
_CHUNK: Final = 256 * 1024
_POSITION: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)

Line = tuple[str, bytes]
"""The position after a line, and the line."""


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses=documented(401, 404, 429) | {200: {"content": {"text/event-stream": {}}}},
)
async def events(
    services: ServicesDep,
    who: AnyCaller,
    request: Request,
    session: Annotated[Id | None, Query()] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """The last events, or with `Last-Event-ID` those after it, then each new one."""
    if session is None:
        admin(who)
    elif not who.is_admin:
        await services.sessions.authorised(session, who.secret)
    tail = LogTail(services.settings.reconnect_log, session)
    return _EventStream(_stream(tail, last_event_id, request), services.streams, who.address)


class _EventStream(StreamingResponse):
    """Response that counts as one of the caller's streams while it is being sent."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[str], streams: StreamLimit, address: str) -> None:
        super().__init__(content, headers={"X-Accel-Buffering": "no"})
        self._streams = streams
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.taken(self._address):
            await super().__call__(scope, receive, send)


class LogTail:
    """Reader of one session's complete lines (None: of all), from a position on, across one rotation of the file.

    Each call reads a bounded part of the file and blocks while it does: call it in a thread.
    """

    def __init__(self, path: Path, session: str | None) -> None:
        self._path = path
        self._rotated = path.with_name(f"{path.name}.1")
        self._session = session
        self._inode = self._offset = self._seen = 0

    def begin(self, position: str | None) -> list[Line]:
        """Without a position: the last lines. With one: none; `read` goes on there, or at the end if it is unknown."""
        try:
            with self._path.open("rb") as file:
                self._inode, size = _identity(file)
                if position is None:
                    return self._last(file, size)
        except FileNotFoundError:
            return []
        self._offset = self._seen = size
        if match := _POSITION.fullmatch(position):
            self._go_to(int(match[1]), int(match[2]))
        return []

    def grown(self) -> bool:
        """Cheap enough for the event loop."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return False
        return (status.st_ino, status.st_size) != (self._inode, self._seen)

    def read(self) -> list[Line]:
        """The next lines; while `grown` is true there may be more."""
        try:
            with self._path.open("rb") as file:
                inode, size = _identity(file)
                if inode == self._inode:
                    return self._next(file, size)
        except FileNotFoundError:
            return []
        with suppress(FileNotFoundError), self._rotated.open("rb") as file:
            older, size = _identity(file)
            if older == self._inode and size > self._seen:
                return self._next(file, size)
        self._inode, self._offset, self._seen = inode, 0, 0
        return []

    def _go_to(self, inode: int, offset: int) -> None:
        for path in (self._path, self._rotated):
            with suppress(FileNotFoundError):
                status = path.stat()
                if status.st_ino == inode and offset <= status.st_size:
                    self._inode, self._offset, self._seen = inode, offset, offset
                    return

    def _last(self, file: IO[bytes], size: int) -> list[Line]:
        start = max(0, size - LOOK_BACK)
        lines = list(_complete(_bytes(file, start, LOOK_BACK), start))
        self._offset = lines[-1][0] if lines else start
        self._seen = size
        newest = islice((line for line in reversed(lines) if self._shown(line[1])), BACKLOG)
        return [self._placed(*line) for line in newest][::-1]

    def _next(self, file: IO[bytes], size: int) -> list[Line]:
        if size < self._offset:  # emptied
            self._offset = 0
        self._offset = max(self._offset, size - LOOK_BACK)
        data = _bytes(file, self._offset, _CHUNK)
        self._seen = self._offset + len(data)
        lines = list(_complete(data, self._offset))
        if lines:
            self._offset = lines[-1][0]
        elif len(data) == _CHUNK:  # no line of ours is this long
            self._offset = self._seen
        return [self._placed(*line) for line in lines if self._shown(line[1])]

    def _placed(self, offset: int, line: bytes) -> Line:
        return f"{self._inode}-{offset}", line

    def _shown(self, line: bytes) -> bool:
        if self._session is not None and self._session.encode() not in line:
            return False  # most lines belong to other sessions and need no parsing
        try:
            entry: Any = json.loads(line)
        except ValueError:
            return False
        return isinstance(entry, dict) and (self._session is None or entry.get("session") == self._session)


async def _stream(tail: LogTail, position: str | None, request: Request) -> AsyncIterator[str]:
    # One chunk per read: a client that has disconnected is noticed between two, not after writing line by line.
    yield _written(await asyncio.to_thread(tail.begin, position)) + ": connected\n\n"
    quiet_since = time.monotonic()
    while not await request.is_disconnected():
        if tail.grown():
            fresh = await asyncio.to_thread(tail.read)
            if fresh:
                yield _written(fresh)
                quiet_since = time.monotonic()
            continue
        if time.monotonic() - quiet_since > _KEEP_ALIVE:
            yield ": keep-alive\n\n"
            quiet_since = time.monotonic()
        await asyncio.sleep(_LOOK_AGAIN)


def _written(lines: list[Line]) -> str:
    return "".join(
        f"id: {position}\nevent: log\ndata: {line.decode('utf-8', 'replace')}\n\n" for position, line in lines
    )


def _complete(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """The lines that end within these bytes, each with the offset after it."""
    *lines, _unfinished = data.split(b"\n")
    for line in lines:
        offset += len(line) + 1
        yield offset, line


def _bytes(file: IO[bytes], offset: int, most: int) -> bytes:
    file.seek(offset)
    return file.read(most)


def _identity(file: IO[bytes]) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_ino, status.st_size
