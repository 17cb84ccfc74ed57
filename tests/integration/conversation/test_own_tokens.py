"""People who come with tokens of others: the real assistant greets and answers them, as strangers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from livekit import api, rtc

from tests.integration.conversation.people import BOAT
from tests.support.caller import Caller
from tests.support.eventually import PATIENCE
from tests.support.letta_agents import make_agent
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack
from voice_agent.contracts import AgentAttribute

TOLD = "My parrot is called Pip."
ASKED = "What is my parrot called?"
CHAT = "talking with a user by voice"


class OwnRoom:
    """Room of somebody who has the key of the LiveKit server and nothing else of ours."""

    def __init__(self, stack: Stack, name: str, dispatch: api.RoomAgentDispatch, http: httpx.AsyncClient) -> None:
        self._settings = stack.settings
        self._name = name
        self._dispatch = dispatch
        self._http = http

    async def join(self, identity: str, **attributes: str) -> Caller:
        grants = api.VideoGrants(room_join=True, room=self._name, can_update_own_metadata=True)
        token = api.AccessToken(self._settings.livekit_api_key, self._settings.livekit_api_secret)
        token = token.with_identity(identity).with_name("user").with_grants(grants).with_attributes(attributes)
        token = token.with_room_config(api.RoomConfiguration(agents=[self._dispatch]))
        caller = Caller(rtc.Room(), {}, self._http)
        await caller.room.connect(self._settings.effective_livekit_url, token.to_jwt())
        await caller.open_microphone()
        return caller


@asynccontextmanager
async def own_room(stack: Stack, name: str, agent: str) -> AsyncIterator[OwnRoom]:
    settings = stack.settings
    async with httpx.AsyncClient(base_url=stack.url, timeout=PATIENCE) as http:
        try:
            yield OwnRoom(stack, name, api.RoomAgentDispatch(agent_name="voice-agent", metadata=agent), http)
        finally:
            async with api.LiveKitAPI(
                settings.effective_livekit_url, settings.livekit_api_key, settings.livekit_api_secret, failover=False
            ) as livekit:
                await livekit.room.delete_room(api.DeleteRoomRequest(room=name))


async def prompts_of(stack: Stack, question: str) -> str:
    """All that the language model was given with this question."""
    requests: list[dict[str, Any]] = await asyncio.to_thread(stack.llm.requests)
    asked = [str(request["body"]["messages"]) for request in requests]
    return "\n".join(said for said in asked if CHAT in said and question in said)


async def test_strangers_are_greeted_answered_and_told_nothing_of_the_owner_or_of_each_other(stack: Stack) -> None:
    stack.llm.script(Rule(user="parrot is called", reply="A fine name."), Rule(user="parrot", reply="I do not know."))
    agent = make_agent(stack, "Wren", BOAT)
    async with own_room(stack, "their-first-room", agent) as room:
        first = await room.join("guest", **{"va.person_id": "owner", "va.user_name": "Owen"})
        try:
            greeting = await first.greeting()
            assert "user" not in greeting
            assert "Owen" not in greeting
            assert len(first.agents) == 1
            assert first.attribute(AgentAttribute.AGENT_ID) == agent
            assert await first.ask(TOLD) == "A fine name."
        finally:
            await first.hang_up()
        second = await room.join("guest")
        try:
            await second.greeting()
            assert await second.ask(ASKED) == "I do not know."
        finally:
            await second.hang_up()
        seen = await prompts_of(stack, ASKED)
        assert seen
        assert "Marigold" not in seen, "the owner's boat"
        assert "Pip" not in seen, "what somebody else told"


async def test_a_killed_agent_is_replaced_and_the_call_goes_on(stack: Stack) -> None:
    stack.llm.script(Rule(user="weather", reply="It is mild."))
    agent = make_agent(stack, "Lark")
    async with own_room(stack, "their-second-room", agent) as room:
        caller = await room.join("guest")
        try:
            await caller.greeting()
            (before,) = [one.identity for one in caller.agents]
            os.kill(int(caller.attribute(AgentAttribute.PID)), signal.SIGKILL)

            def another() -> bool:
                return [one.identity for one in caller.agents] not in ([], [before])

            await caller.until(another, "another agent", within=60)
            await caller.answered()
            assert await caller.ask("How is the weather?") == "It is mild."
            assert "disconnected" not in caller.seen.connection
        finally:
            await caller.hang_up()
