"""Circuit breaker of the Letta client: a Letta that hangs, answers with an error, or is slow because of its model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.memory.breaker import BreakerState, CircuitBreaker
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.model import Recording, Turn
from voice_agent.settings import Settings

AGENT = "agent-1"
HANG = 1.0
"""Seconds of silence that count."""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Transport(httpx.AsyncBaseTransport):
    """Answers with `status`; None: never."""

    status: int | None = None

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.set()
        if self.status is None:
            await asyncio.Event().wait()
        return httpx.Response(self.status or 500, json={"detail": "as the test says"})


class Hanging:
    """A client of a Letta that hangs until it is told to answer."""

    def __init__(self, home: Path) -> None:
        self.clock = Clock()
        self.transport = Transport()
        self.letta = LettaClient(Settings.model_validate({"VOICE_HOME": home}), transport=self.transport)
        self.letta.breaker = CircuitBreaker("Letta", self.clock)

    async def give_up(self, asked: Coroutine[Any, Any, object], after: float) -> None:
        """As a deadline of the caller does."""
        self.transport.asked.clear()
        call = asyncio.create_task(asked)
        await self.transport.asked.wait()
        self.clock.now += after
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()

    async def give_up_loading(self, times: int, after: float = HANG) -> None:
        for _ in range(times):
            await self.give_up(self.letta.load_blocks(AGENT), after)

    @property
    def state(self) -> BreakerState:
        return self.letta.breaker.state


@asynccontextmanager
async def hanging(home: Path) -> AsyncIterator[Hanging]:
    world = Hanging(home)
    try:
        yield world
    finally:
        await world.letta.close()


async def test_calls_that_hang_until_their_deadline_open_the_breaker(tmp_path: Path) -> None:
    async with hanging(tmp_path) as world:
        await world.give_up_loading(5)
        assert world.state is BreakerState.OPEN
        world.transport.asked.clear()
        with pytest.raises(Temporary) as caught:
            await world.letta.load_blocks(AGENT)
        assert caught.value.code is Code.LETTA_UNAVAILABLE
        assert not world.transport.asked.is_set()


async def test_who_gives_up_early_says_nothing_about_letta(tmp_path: Path) -> None:
    async with hanging(tmp_path) as world:
        await world.give_up_loading(10, after=HANG / 2)
        assert world.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    ("status", "expected"),
    [(404, Permanent), (409, Temporary), (422, Permanent), (429, Temporary), (401, Permanent)],
)
async def test_any_answer_closes_the_breaker(tmp_path: Path, status: int, expected: type[VoiceAgentError]) -> None:
    async with hanging(tmp_path) as world:
        await world.give_up_loading(5)
        world.transport.status = status
        world.clock.now += 6.0
        with pytest.raises(expected):
            await world.letta.load_blocks(AGENT)
        assert world.state is BreakerState.CLOSED


async def test_a_failure_of_the_server_itself_does_not_close_it(tmp_path: Path) -> None:
    async with hanging(tmp_path) as world:
        await world.give_up_loading(5)
        world.transport.status = 503
        world.clock.now += 6.0
        with pytest.raises(Temporary):
            await world.letta.load_blocks(AGENT)
        assert world.state is BreakerState.OPEN


async def test_a_run_that_waits_for_the_language_model_says_nothing_about_letta(tmp_path: Path) -> None:
    turn = Turn("t1", "thread", "session", AGENT, 1, "Who is there?")
    async with hanging(tmp_path) as world:
        for _ in range(10):
            await world.give_up(world.letta.record(Recording("conv-1", (turn,))), after=10 * HANG)
        assert world.state is BreakerState.CLOSED
