"""Recollection in the spoken answer: from the archive, or from memory that changed between two visits."""

from __future__ import annotations

import asyncio

import httpx

from tests.integration.conversation.people import told_of_a_parrot
from tests.support.caller import control_api
from tests.support.eventually import eventually
from tests.support.letta_server import RealLetta
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack


async def test_what_only_the_archive_holds_is_looked_up_and_said(stack: Stack) -> None:
    real = RealLetta(stack)
    agent = await asyncio.to_thread(real.add_agent, "Archive", {"persona": "I am Ada."})
    await asyncio.to_thread(real.add_passage, agent, "The spare key is under the blue pot.")
    stack.llm.script(Rule(user="spare key", history="the blue pot", reply="It is under the blue pot."))
    async with control_api(stack) as api:
        caller = await api.come_in(agent_id=agent)
        await caller.greeting()

        def remembered() -> str:
            return httpx.get(f"{stack.url}/people/owner/memory", params={"agent_id": agent}, timeout=10).text

        assert "blue pot" in await asyncio.to_thread(
            eventually, remembered, lambda text: "blue pot" in text, within=120
        )
        assert "blue pot" in await caller.ask("Where is the spare key?")
        await caller.leave()


async def test_what_letta_wrote_into_memory_between_two_visits_is_known_in_the_next(stack: Stack) -> None:
    async with control_api(stack) as api:
        caller = await told_of_a_parrot(stack, api)
        back = await api.come_back(caller)
        await back.greeting()
        assert "Pip" in await back.ask("What is my parrot called?")
        assert len(back.seen.captions) == 2, f"the work on memory was spoken: {back.seen.captions}"
        await back.leave()
