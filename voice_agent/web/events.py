"""The reconnect log as a stream, filtered to what the caller may see."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from voice_agent.web.access import AnyCaller, Parts, admin
from voice_agent.web.errors import documented
from voice_agent.web.schemas import Id

router = APIRouter(tags=["live"])

BACKLOG: Final = 200
_LOOK_AGAIN: Final = 0.2
"""A file tells nobody that it has grown."""
_KEEP_ALIVE: Final = 15.0
_CHUNK: Final = 256 * 1024


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses=documented(401, 404) | {200: {"content": {"text/event-stream": {}}}},
)
async def events(
    parts: Parts,
    who: AnyCaller,
    request: Request,
    session: Annotated[Id | None, Query()] = None,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> StreamingResponse:
    if session is None:
        admin(who)
    elif not who.is_admin:
        await parts.sessions.authorised(session, who.secret)
    stream = _stream(parts.settings.reconnect_log, session, last_event_id, request)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


class LogTail:
    """Reads complete lines from where it stands; begins again when the file was replaced."""

    def __init__(self, path: Path, position: str | None) -> None:
        self._path = path
        self._inode, self._offset = _parsed(position)

    def read(self) -> list[tuple[str, bytes]]:
        """New lines with the position behind each."""
        try:
            with self._path.open("rb") as file:
                status = _identity(file.fileno())
                if status[0] != self._inode or status[1] < self._offset:
                    self._inode, self._offset = status[0], 0
                file.seek(self._offset)
                data = file.read(_CHUNK)
        except FileNotFoundError:
            return []
        lines: list[tuple[str, bytes]] = []
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            self._offset += len(line)
            lines.append((f"{self._inode}-{self._offset}", line.rstrip(b"\n")))
        return lines


async def _stream(path: Path, session: str | None, position: str | None, request: Request) -> AsyncIterator[str]:
    tail = LogTail(path, position)
    backlog: deque[str] = deque(maxlen=None if position else BACKLOG)
    while lines := tail.read():
        backlog.extend(_shown(lines, session))
    for event in backlog:
        yield event
    quiet_since = time.monotonic()
    yield ": connected\n\n"
    while not await request.is_disconnected():
        fresh = _shown(tail.read(), session)
        for event in fresh:
            yield event
        if fresh:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > _KEEP_ALIVE:
            yield ": keep-alive\n\n"
            quiet_since = time.monotonic()
        await asyncio.sleep(_LOOK_AGAIN)


def _shown(lines: list[tuple[str, bytes]], session: str | None) -> list[str]:
    return [f"id: {position}\nevent: log\ndata: {line.decode()}\n\n" for position, line in lines if _for(line, session)]


def _for(line: bytes, session: str | None) -> bool:
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return False
    return isinstance(entry, dict) and (session is None or entry.get("session") == session)


def _parsed(position: str | None) -> tuple[int, int]:
    inode, _, offset = (position or "").partition("-")
    return (int(inode), int(offset)) if inode.isdigit() and offset.isdigit() else (0, 0)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_ino, status.st_size
