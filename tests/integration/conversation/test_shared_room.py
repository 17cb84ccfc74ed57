"""Two owners of one business in their shared room: name, transcript and known facts follow the speaker."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.caller import Caller, ControlApi, control_api
from tests.support.letta_agents import make_agent
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack

SECRET = "I am planning to sell the restaurant in May."
CURIOUS = "What is Anna planning?"
AGAIN = "What am I planning in May?"


async def owner(api: ControlApi, agent: str, name: str) -> Caller:
    about = {"role": "owner", "business_id": "harbour", "user_identity": name.lower(), "user_name": name}
    return await api.come_in(agent_id=agent, **about)


async def transcript(caller: Caller) -> list[str]:
    answer = await caller.ask_the_server("GET", "/transcript")
    answer.raise_for_status()
    return [message["text"] for message in answer.json()["messages"] if message["role"] == "user"]


async def prompt_of(stack: Stack, question: str) -> str:
    """All that the language model was given with this question."""
    requests: list[dict[str, Any]] = await asyncio.to_thread(stack.llm.requests)
    asked = [str(request["body"]["messages"]) for request in requests]
    return next(said for said in reversed(asked) if "talking with a user by voice" in said and question in said)


async def test_a_room_of_two_owners_mixes_nothing_up(stack: Stack) -> None:
    stack.llm.script(Rule(user="planning", reply="I see."))
    async with control_api(stack) as api:
        saved = {"name": "Pearl", "letta_agent_id": make_agent(stack, "Pearl", "The owner plays the cello.")}
        agent = (await api.http.post("/agents", json=saved)).raise_for_status().json()["id"]
        anna = await owner(api, agent, "Anna")
        assert "Anna" in await anna.greeting()
        await anna.ask(SECRET)
        await anna.leave()
        ben = await owner(api, agent, "Ben")
        assert ben.session["room_name"] == anna.session["room_name"]
        greeting = await ben.greeting()
        assert "Ben" in greeting
        assert "Anna" not in greeting
        await ben.ask(CURIOUS)
        seen = await prompt_of(stack, CURIOUS)
        assert "restaurant" not in seen
        assert "cello" not in seen
        assert "called Ben" in seen
        assert await transcript(anna) == [SECRET]
        assert await transcript(ben) == [CURIOUS]
        # Both are there now: what is recalled is of the one who asks.
        back = await api.come_back(anna)
        await back.answered()
        await back.ask(AGAIN)
        seen = await prompt_of(stack, AGAIN)
        assert "called Anna" in seen
        assert "restaurant" in seen
        assert await transcript(back) == [SECRET, AGAIN]
        assert await transcript(ben) == [CURIOUS]
