"""Turn-end detector: what it sends, and that silence decides when it has no answer in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from livekit import rtc
from livekit.agents.voice.turn import EndpointingOptions

from voice_agent.conversation.turn_end import ENDPOINTING, SURE, TurnEndDetector, TurnEndStream


def sound(seconds: float, value: int = 1) -> rtc.AudioFrame:
    samples = int(seconds * 16_000)
    return rtc.AudioFrame(value.to_bytes(2, "little") * samples, 16_000, 1, samples)


@asynccontextmanager
async def answering(body: bytes, status: int = 200, *, silent: bool = False) -> AsyncIterator[tuple[str, list[int]]]:
    """A server, and the number of bytes of each request to it."""
    lengths: list[int] = []
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split()[0])
        await reader.readexactly(length)
        lengths.append(length)
        if silent:
            await gone.wait()
        else:
            start = f"HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(start.encode() + body)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", lengths
    finally:
        gone.set()
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def listening(url: str, deadline: float = 5.0) -> AsyncIterator[TurnEndStream]:
    detector = TurnEndDetector(url, deadline)
    stream = detector.stream()
    try:
        yield stream
    finally:
        await stream.aclose()
        await detector.aclose()


async def test_the_model_is_asked_about_this_turn_only() -> None:
    async with answering(b'{"probability": 0.25}') as (url, lengths), listening(url) as stream:
        stream.push_audio(sound(5.0))
        stream.cancel_inference()  # a voice is noticed
        stream.push_audio(sound(1.0))
        assert (await stream.predict()).end_of_turn_probability == 0.25
        stream.cancel_inference()  # it goes on after a pause
        stream.push_audio(sound(1.0))
        await stream.predict()
        stream.flush("turn committed")
        stream.push_audio(sound(0.25))
        await stream.predict()
        assert [length / 32_000 for length in lengths] == [1.5, 2.5, 0.25]


async def test_no_more_than_the_model_hears_is_kept() -> None:
    async with answering(b'{"probability": 0.5}') as (url, lengths), listening(url) as stream:
        for _ in range(20):
            stream.push_audio(sound(1.0))
        await stream.predict()
        assert lengths == [8 * 32_000]


@pytest.mark.parametrize(("body", "status"), [(b"{}", 503), (b"nonsense", 200), (b'{"other": 1}', 200)])
async def test_silence_decides_without_an_answer(body: bytes, status: int) -> None:
    async with answering(body, status) as (url, _), listening(url) as stream:
        stream.push_audio(sound(1.0))
        assert (await stream.predict()).end_of_turn_probability >= SURE


async def test_silence_decides_when_the_answer_is_late() -> None:
    async with answering(b"", silent=True) as (url, _), listening(url, deadline=0.05) as stream:
        stream.push_audio(sound(1.0))
        async with asyncio.timeout(2.0):
            assert (await stream.predict()).end_of_turn_probability >= SURE


async def test_silence_decides_without_a_model_server() -> None:
    async with listening("http://127.0.0.1:9/v1") as stream:
        stream.push_audio(sound(1.0))
        assert (await stream.predict()).end_of_turn_probability >= SURE


async def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    async with answering(b"", silent=True) as (url, _), listening(url) as stream:
        stream.push_audio(sound(1.0))
        asked = stream.predict()
        stream.cancel_inference()
        assert asked.done()
        assert asked.result().end_of_turn_probability < SURE


def test_a_turn_ends_at_the_latest_after_the_limit() -> None:
    assert EndpointingOptions(min_delay=0.3, max_delay=1.2) == ENDPOINTING
