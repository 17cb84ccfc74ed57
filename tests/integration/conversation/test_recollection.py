"""What stands in the archive, or was worked into memory between two visits, is in the spoken answer."""

from __future__ import annotations

import asyncio

from tests.integration.conversation.people import told_of_a_parrot
from tests.support.caller import Caller, front_door
from tests.support.letta_server import RealLetta
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack


async def tools_of(caller: Caller) -> list[list[str]]:
    """By turn, as the transcript has it."""
    transcript = (await caller.ask_the_server("GET", "/transcript")).raise_for_status().json()
    return [message["tools"] for message in transcript["messages"] if message["role"] == "assistant"]


async def test_what_only_the_archive_holds_is_looked_up_and_said(stack: Stack) -> None:
    real = RealLetta(stack)
    agent = await asyncio.to_thread(real.add_agent, "Archive", {"persona": "I am Ada."})
    await asyncio.to_thread(real.add_passage, agent, "The spare key is under the blue pot.")
    stack.llm.script(
        Rule(user="spare key", history="the blue pot", reply="It is under the blue pot."),
        Rule(user="spare key", tool="search_memory", arguments={"query": "spare key"}),
    )
    async with front_door(stack) as door:
        caller = await door.come_in(agent_id=agent)
        await caller.greeting()
        assert "blue pot" in await caller.ask("Where is the spare key?")
        await caller.leave()
        assert await tools_of(caller) == [["search_memory"]]


async def test_what_letta_wrote_into_memory_between_two_visits_is_known_in_the_next(stack: Stack) -> None:
    async with front_door(stack) as door:
        caller = await told_of_a_parrot(stack, door)
        back = await door.come_back(caller)
        await back.greeting()
        assert "Pip" in await back.ask("What is my parrot called?")
        assert len(back.seen.captions) == 2, f"the work on memory was spoken: {back.seen.captions}"
        await back.leave()
