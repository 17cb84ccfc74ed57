"""Shared computation: concurrent callers share a result, and none gets an outdated one."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from voice_agent.registry.agents import AgentRegistry
from voice_agent.registry.shared import Shared


async def test_who_asks_while_it_is_computed_shares_the_next_result() -> None:
    shared: Shared[int] = Shared()
    begun = 0
    gate = asyncio.Event()

    async def compute() -> int:
        nonlocal begun
        begun += 1
        number = begun
        await gate.wait()
        return number

    first = asyncio.create_task(shared.get(compute))
    await asyncio.sleep(0)
    others = [asyncio.create_task(shared.get(compute)) for _ in range(40)]
    await asyncio.sleep(0)
    gate.set()
    assert await first == 1
    assert await asyncio.gather(*others) == [2] * 40
    assert await shared.get(compute) == 3


async def test_who_fails_or_goes_away_leaves_it_to_the_next() -> None:
    shared: Shared[str] = Shared()

    async def breaks() -> str:
        raise OSError

    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    async def works() -> str:
        return "done"

    with pytest.raises(OSError):  # noqa: PT011
        await shared.get(breaks)
    gone = asyncio.create_task(shared.get(never))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(shared.get(works))
    await asyncio.sleep(0)
    gone.cancel()
    assert await waiting == "done"


class Counted:
    def __init__(self) -> None:
        self.read = 0

    async def list_agents(self) -> list[Any]:
        self.read += 1
        await asyncio.sleep(0)
        return []

    list = list_agents

    async def assistants(self) -> frozenset[str]:
        return frozenset()


async def test_forty_callers_read_the_agents_twice() -> None:
    store, letta = Counted(), Counted()
    agents = AgentRegistry(cast(Any, store), cast(Any, store), cast(Any, letta), lambda: 0.0, "")
    await asyncio.gather(*(agents.list("x") for _ in range(40)))
    assert (store.read, letta.read) == (2, 2)
