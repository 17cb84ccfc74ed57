"""Event stream of the log: bounded reading off the event loop, positions, rotation, the number of streams."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request

from tests.support.bare_web import bare_app, client_of, web_settings
from tests.support.control_plane import eventually
from voice_agent.errors import Code, Temporary
from voice_agent.observe.rotation import rotate
from voice_agent.web.events import BACKLOG, LOOK_BACK, Line, LogTail, _stream
from voice_agent.web.rate_limits import StreamLimit


def line(number: int, session: str = "s") -> bytes:
    return json.dumps({"session": session, "number": number}).encode() + b"\n"


def append(path: Path, *lines: bytes) -> None:
    with path.open("ab") as file:
        file.writelines(lines)


def numbers(lines: list[Line]) -> list[int]:
    return [json.loads(text)["number"] for _, text in lines]


def everything(tail: LogTail) -> list[Line]:
    lines: list[Line] = []
    while tail.grown():
        lines += tail.read()
    return lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def large(path: Path) -> None:
    """64 MB, of which only the last line is written."""
    append(path, line(1, "early"))
    with path.open("r+b") as file:
        file.truncate(64 * 1024 * 1024)
    append(path, b"\n", line(2), line(3, "other"))


def test_only_whole_lines_are_read_and_reading_goes_on_where_it_stopped(path: Path) -> None:
    tail = LogTail(path, None)
    assert (tail.begin(None), everything(tail)) == ([], [])
    append(path, line(1), line(2), line(3)[:9])
    lines = everything(tail)
    assert numbers(lines) == [1, 2]
    append(path, line(3)[9:])
    assert numbers(everything(tail)) == [3]
    again = LogTail(path, None)
    assert again.begin(lines[0][0]) == []
    assert numbers(everything(again)) == [2, 3]


def test_a_new_stream_begins_with_the_last_lines(path: Path) -> None:
    append(path, *(line(n, "s" if n % 2 else "other") for n in range(3 * BACKLOG)), line(0)[:9])
    tail = LogTail(path, "s")
    lines = tail.begin(None)
    assert numbers(lines) == list(range(3 * BACKLOG))[1::2][-BACKLOG:]
    assert everything(tail) == []
    append(path, line(0)[9:], line(1, "other"), line(2))
    assert numbers(everything(tail)) == [0, 2]


@pytest.mark.parametrize("position", [None, "{inode}-0", "{inode}-40"])
def test_of_a_large_log_only_the_end_is_read(path: Path, position: str | None) -> None:
    large(path)
    tail = LogTail(path, None)
    tracemalloc.start()
    try:
        lines = tail.begin(position and position.format(inode=path.stat().st_ino))
        lines += everything(tail)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert numbers(lines) == [2, 3]
    assert most < 4 * LOOK_BACK


@pytest.mark.parametrize("position", ["²-1", "x", "1-", "-5", "0-0", "{inode}-99999999", "99-5", "../etc", "9" * 5000])
def test_a_position_that_is_not_ours_means_the_present(path: Path, position: str) -> None:
    append(path, line(1))
    tail = LogTail(path, None)
    assert (tail.begin(position.format(inode=path.stat().st_ino)), everything(tail)) == ([], [])
    append(path, line(2))
    assert numbers(everything(tail)) == [2]


def test_nothing_is_lost_when_the_log_is_rotated(path: Path) -> None:
    append(path, line(1))
    tail = LogTail(path, None)
    (position, _), *_ = tail.begin(None)
    append(path, line(2))
    assert rotate(path, most_bytes=1)
    assert everything(tail) == []  # nothing says yet that another file follows
    append(path, line(3))
    assert numbers(everything(tail)) == [2, 3]
    late = LogTail(path, None)
    assert late.begin(position) == []
    assert numbers(everything(late)) == [2, 3]


def test_a_line_without_an_end_does_not_stop_the_reading(path: Path) -> None:
    append(path, line(1))
    tail = LogTail(path, None)
    tail.begin(None)
    append(path, b"x" * 600_000, b"\r\n", b'{"torn": \r', b"\n", b"\xff\xfe\n", line(2))
    assert numbers(everything(tail)) == [2]


def request() -> Request:
    async def receive() -> Any:
        await asyncio.Event().wait()

    return Request({"type": "http", "headers": []}, receive)


async def test_the_event_loop_goes_on_while_the_log_is_read(path: Path) -> None:
    large(path)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    stream: AsyncIterator[str] = _stream(LogTail(path, "s"), None, request())
    beside = asyncio.create_task(others())
    try:
        first = await anext(stream)
    finally:
        beside.cancel()
        await asyncio.wait([beside])
        await stream.aclose()  # type: ignore[attr-defined]
    assert '"number": 2' in first
    assert first.endswith(": connected\n\n")
    assert turns > 0


def test_an_address_holds_so_many_streams_and_all_together_so_many() -> None:
    streams = StreamLimit(per_address=1, in_all=2)
    with streams.taken("a"):
        with pytest.raises(Temporary, match="This address") as refused, streams.taken("a"):
            pass
        assert refused.value.code is Code.RATE_LIMITED
        with streams.taken("b"), pytest.raises(Temporary, match="There are 2"), streams.taken("c"):
            pass
        with streams.taken("c"):
            pass
    with streams.taken("a"):
        pass
    assert streams.open == 0


async def test_one_stream_too_many_is_an_error_that_says_so(tmp_path: Path) -> None:
    settings = web_settings(tmp_path)
    async with bare_app(settings) as app, client_of(app, settings) as client:
        app.state.services = replace(app.state.services, streams=StreamLimit(per_address=0))
        answer = await client.get("/events")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limited")
    assert int(answer.headers["Retry-After"]) > 0


async def test_a_client_that_has_gone_is_not_written_to_and_its_place_is_free(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = web_settings(tmp_path, port=0)
    settings.reconnect_log.parent.mkdir(parents=True)
    append(settings.reconnect_log, *(line(n) + b" " * 400 for n in range(BACKLOG)))
    async with bare_app(settings) as app, listening(app) as port:
        streams: StreamLimit = app.state.services.streams
        for _ in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            await writer.drain()
            writer.transport.abort()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000_000)
        writer.write(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await reader.readuntil(b": connected")
        writer.transport.abort()

        async def all_closed() -> bool | None:
            return streams.open == 0 or None

        await eventually(all_closed, 10, "the places of those who have gone are free")
    assert "socket.send() raised exception" not in caplog.text


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[int]:
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, lifespan="off", ws="none", log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not serving.done()
            await asyncio.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving
