"""Letta reply path: the same guarantees as on the path of the language model (test_reconnect.py)."""

from __future__ import annotations

import asyncio

from tests.integration.conversation.people import BOAT, QUESTION
from tests.support.caller import ControlApi, control_api
from tests.support.eventually import eventually
from tests.support.letta_agents import make_agent, spoken_turns
from tests.support.stack import Stack
from voice_agent.contracts import ReplyPath


async def saved(api: ControlApi, name: str, letta_agent: str) -> str:
    config = {"greeting": "Hi.", "reply_path": ReplyPath.LETTA}
    answer = await api.http.post("/agents", json={"name": name, "letta_agent_id": letta_agent, "config": config})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_what_only_letta_knows_is_answered_and_every_turn_is_held_once(stack: Stack) -> None:
    letta_agent = make_agent(stack, "By Letta", BOAT)
    async with control_api(stack) as api:
        caller = await api.come_in(agent_id=await saved(api, "By Letta", letta_agent))
        await caller.greeting()
        assert "Marigold" in await caller.ask(QUESTION)
        await caller.leave()
        back = await api.come_back(caller)
        await back.greeting()
        assert "Marigold" in await back.ask(f"Once more: {QUESTION}")
        await back.leave()
    stored = await asyncio.to_thread(
        eventually, lambda: spoken_turns(stack, letta_agent), lambda turns: len(turns) >= 4, within=60
    )
    assert [text for role, text in stored if role == "user_message"] == [QUESTION, f"Once more: {QUESTION}"]
    assert [role for role, _ in stored] == ["user_message", "assistant_message"] * 2
