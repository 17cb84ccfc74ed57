"""Fault-injecting proxy in front of a real Letta. Faults hit posts of turns only; while `down`, every request fails."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from urllib.parse import urlsplit

_POSTS_TURNS = re.compile(rb"^POST /v1/conversations/[^/ ]+/messages ")
_SLOW = 5.0


class Fault(Enum):
    SLOW = "forwarded after five seconds"
    STATUS_500 = b"HTTP/1.1 500 Internal Server Error"
    STATUS_429 = b"HTTP/1.1 429 Too Many Requests"
    STATUS_409 = b"HTTP/1.1 409 Conflict"
    GARBAGE = "forwarded; the answer is not what anybody asked for"
    LOST = "forwarded; the answer never arrives"
    HALF = "forwarded; the answer ends in the middle"


class LettaProxy:
    def __init__(self, upstream: str) -> None:
        self._host, self._port = urlsplit(upstream).hostname, urlsplit(upstream).port
        self.faults: deque[Fault] = deque()
        self.down = False
        self.posts = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request per connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(length.group(1))) if length else b""
            if not self.down:
                await self._answer(head, body, writer)
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        fault = None
        if _POSTS_TURNS.match(head):
            self.posts += 1
            fault = self.faults.popleft() if self.faults else None
        if fault in (Fault.STATUS_500, Fault.STATUS_429, Fault.STATUS_409):
            writer.write(fault.value + b"\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
            return
        if fault is Fault.SLOW:
            await asyncio.sleep(_SLOW)
        answer = await self._forward(head, body)
        if fault is Fault.GARBAGE:
            answer = (
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: <html>\x00\n\n"
            )
        elif fault is Fault.HALF:
            answer = answer[: answer.index(b"\r\n\r\n") + 60]
        if fault is not Fault.LOST:
            writer.write(answer)

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
            writer.write(b"\r\n".join([lines[0], b"connection: close", *lines[1:]]) + body)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def letta_proxy(upstream: str) -> AsyncIterator[LettaProxy]:
    proxy = LettaProxy(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield proxy
