"""Letta in memory and a real Letta behind one interface, with the edits that a user makes in Letta, past our code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.support.fake_letta import FakeLetta
from tests.support.letta_server import RealLetta
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.model import Block, LettaPort

SMALL_PAGE = 3
"""Small, so that a few messages need several pages."""


@dataclass
class AnyLetta:
    port: LettaPort
    add_agent: Callable[[str, Mapping[str, str]], Awaitable[str]]
    set_block: Callable[[str, str, str], Awaitable[None]]
    add_passage: Callable[[str, str], Awaitable[None]]
    remove_block: Callable[[str, str], Awaitable[None]]
    holds: Callable[[str], Awaitable[bool]]
    """Whether these words are anywhere in it, except in rows that are marked as deleted."""

    async def conversation(self) -> tuple[str, str]:
        agent = await self.add_agent("Ada", {"persona": "I am Ada."})
        return agent, await self.port.create_conversation(agent)


def fake_letta() -> AnyLetta:
    fake = FakeLetta()

    async def add_agent(name: str, blocks: Mapping[str, str]) -> str:
        return await fake.add_agent(name, [Block(label, value) for label, value in blocks.items()])

    async def add_passage(agent_id: str, text: str) -> None:
        await fake.add_passage(agent_id, text, (), datetime.now(UTC))

    return AnyLetta(fake, add_agent, fake.edit_block, add_passage, fake.remove_block, fake.holds)


def real_letta(real: RealLetta, client: LettaClient) -> AnyLetta:
    async def add_agent(name: str, blocks: Mapping[str, str]) -> str:
        return await asyncio.to_thread(real.add_agent, name, blocks)

    async def set_block(agent_id: str, label: str, value: str) -> None:
        await asyncio.to_thread(real.set_block, agent_id, label, value)

    async def add_passage(agent_id: str, text: str) -> None:
        await asyncio.to_thread(real.add_passage, agent_id, text)

    async def remove_block(agent_id: str, label: str) -> None:
        await asyncio.to_thread(real.remove_block, agent_id, label)

    return AnyLetta(client, add_agent, set_block, add_passage, remove_block, real.holds)
