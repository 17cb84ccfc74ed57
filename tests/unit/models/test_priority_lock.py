from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tests.support.eventually import PATIENCE
from voice_agent.errors import Code, Temporary
from voice_agent.models import priority_lock
from voice_agent.models.onnx import Cancellation
from voice_agent.models.priority_lock import Priority, PriorityLock, pieces


async def test_the_most_urgent_goes_next_and_equals_in_order() -> None:
    gate, order = PriorityLock(), list[str]()

    async def enter(name: str, priority: Priority) -> None:
        async with gate.turn(priority):
            order.append(name)

    async with gate.turn(Priority.BACKGROUND):
        waiting = [
            asyncio.create_task(enter(name, priority))
            for name, priority in (
                ("later", Priority.LATER_CLAUSE),
                ("first", Priority.FIRST_CLAUSE),
                ("heard", Priority.LIVE_STT),
                ("heard too", Priority.LIVE_STT),
            )
        ]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["heard", "heard too", "first", "later"]


async def test_one_who_leaves_the_queue_does_not_block_it() -> None:
    gate = PriorityLock()

    async def enter() -> None:
        async with gate.turn(Priority.LIVE_STT):
            pass

    async with gate.turn(Priority.LIVE_STT):
        leaver, stayer = asyncio.create_task(enter()), asyncio.create_task(enter())
        await asyncio.sleep(0)
        leaver.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaver
    await asyncio.wait_for(stayer, PATIENCE)


async def test_one_who_leaves_in_the_moment_of_its_turn_passes_it_on() -> None:
    gate = PriorityLock()

    async def enter() -> None:
        async with gate.turn(Priority.LIVE_STT):
            pass

    async with gate.turn(Priority.LIVE_STT):
        leaver, stayer = asyncio.create_task(enter()), asyncio.create_task(enter())
        await asyncio.sleep(0)
    leaver.cancel()  # its turn is there, but it did not run yet
    with pytest.raises(asyncio.CancelledError):
        await leaver
    await asyncio.wait_for(stayer, PATIENCE)


async def test_a_full_queue_refuses() -> None:
    gate = PriorityLock()

    async def enter() -> None:
        async with gate.turn(Priority.LIVE_STT):
            pass

    async with gate.turn(Priority.LIVE_STT):
        waiting = [asyncio.create_task(enter()) for _ in range(priority_lock.LONGEST_QUEUE)]
        await asyncio.sleep(0)
        with pytest.raises(Temporary) as refused:
            await enter()
    assert refused.value.code is Code.MODEL_BUSY
    await asyncio.gather(*waiting)


async def test_an_urgent_one_goes_between_two_pieces() -> None:
    gate, order = PriorityLock(), list[str]()

    def story(_: Cancellation) -> Iterator[str]:
        yield from ("one", "two")

    async def tell() -> None:
        async for piece in pieces(gate, story, Priority.FIRST_CLAUSE, Priority.LATER_CLAUSE):
            order.append(piece)
            if piece == "one":
                urgent.set_result(asyncio.create_task(hear()))
                await asyncio.sleep(0)

    async def hear() -> None:
        async with gate.turn(Priority.LIVE_STT):
            order.append("heard")

    urgent: asyncio.Future[asyncio.Task[None]] = asyncio.get_running_loop().create_future()
    await tell()
    await (await urgent)
    assert order == ["one", "heard", "two"]


async def test_cancelling_stops_the_thread_before_the_turn_is_given_back() -> None:
    gate, started, ended = PriorityLock(), threading.Event(), threading.Event()

    def endless(cancellation: Cancellation) -> Iterator[int]:
        started.set()
        try:
            while True:
                cancellation.check()
                if threading.Event().wait(0.001):
                    yield 0
        finally:
            ended.set()

    async def draw() -> None:
        async for _ in pieces(gate, endless, Priority.FIRST_CLAUSE, Priority.LATER_CLAUSE):
            pass

    drawing = asyncio.create_task(draw())
    await asyncio.to_thread(started.wait, PATIENCE)
    drawing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drawing
    assert ended.is_set()
    async with gate.turn(Priority.BACKGROUND):
        pass
