"""Reconnect log: one JSON object per line, one append per line, any number of writing processes.

Every line: time (UTC), mono (the host's monotonic clock, unaffected by clock changes), seq (per process; a gap means
missing lines), pid, process, event, room, session, agent, episode, fields. The file is opened for each line, so that
`serve` can rotate it by renaming while other processes write.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from voice_agent.contracts import LogEvent

Line = MutableMapping[str, Any]

_SECRET: Final = ("secret", "token", "password", "api_key", "authorization")
_WHERE: Final = ("room", "session", "agent", "episode")


class ReconnectLog:
    """Writer of the log. Never raises into a conversation: lines that could not be written are counted, and the next
    line that can be written has their number (`lost`)."""

    def __init__(
        self, path: Path, process: str, *, spoken_text: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self._clock = clock
        self.process = process
        self.spoken_text = spoken_text
        self._lock = threading.Lock()
        self._seq = 0
        self._lost = 0
        self._torn = False
        with suppress(OSError):  # counted when the first line cannot be written
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._logger = structlog.wrap_logger(
            self,
            processors=[self._shape, structlog.processors.JSONRenderer(json.dumps)],
            cache_logger_on_first_use=False,
        )

    def bind(self, *, room: str = "", session: str = "", agent: str = "", episode: int = 0) -> BoundLog:
        return BoundLog(self._logger.bind(room=room, session=session, agent=agent, episode=episode))

    def write(self, event: LogEvent, **fields: Any) -> None:
        """Log a line about this process as a whole."""
        self.bind().write(event, **fields)

    def _shape(self, _logger: Any, _method: str, line: Line) -> Line:
        where = {key: line.pop(key) for key in _WHERE}
        event = line.pop("event")
        fields = {key: value for name in line for key, value in self._presentable(name, line[name])}
        stamp = datetime.now(UTC).isoformat(timespec="microseconds")
        return {
            "time": stamp,
            "mono": round(self._clock(), 6),
            "pid": os.getpid(),
            "process": self.process,
            "event": str(event),
            **where,
            "fields": fields,
        }

    def _presentable(self, name: str, value: Any) -> tuple[tuple[str, Any], ...]:
        if name == "text" and not self.spoken_text:
            return (("text_length", len(str(value))),)
        if any(word in name.lower() for word in _SECRET):
            return ((name, "***"),)
        return ((name, value),)

    def info(self, rendered: str) -> None:
        """Called by structlog with a rendered line: number it and append it."""
        with self._lock:
            self._seq += 1
            extra = f', "lost": {self._lost}' if self._lost else ""
            data = f'{rendered[:-1]}, "seq": {self._seq}{extra}}}\n'.encode()
            if self._append(b"\n" + data if self._torn else data):
                self._lost, self._torn = 0, False
            else:
                self._lost += 1

    def _append(self, data: bytes) -> bool:
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                written = os.write(handle, data)
            finally:
                os.close(handle)
        except OSError:
            return False
        # On a full disk half a line may be written: the next line must not continue it.
        self._torn = self._torn or 0 < written < len(data)
        return written == len(data)


class BoundLog:
    """The log, bound to a room, session, agent and episode."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def bind(self, **where: Any) -> BoundLog:
        unknown = where.keys() - set(_WHERE)
        if unknown:
            raise TypeError(f"not a place in the log: {', '.join(sorted(unknown))}")
        return BoundLog(self._logger.bind(**where))

    def write(self, event: LogEvent, **fields: Any) -> None:
        self._logger.info(event, **fields)
