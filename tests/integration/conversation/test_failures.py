"""Permanent failures of an assistant: named on the page, and no agent is dispatched repeatedly in vain."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.integration.conversation.people import BOAT
from tests.support.caller import Caller, control_api
from tests.support.letta_agents import make_agent
from tests.support.stack import Stack
from voice_agent.contracts import RECYCLE_LIMIT, LogEvent


async def test_an_agent_that_is_gone_from_letta_is_named_on_the_page(stack: Stack) -> None:
    async with control_api(stack) as api:
        in_letta = make_agent(stack, "Fleeting", BOAT)
        saved = {"name": "Fleeting", "letta_agent_id": in_letta, "config": {"greeting": "Hi."}}
        answer = await api.http.post("/agents", json=saved)
        caller = await api.come_in(agent_id=answer.json()["id"])
        await caller.greeting()
        await asyncio.to_thread(stack.letta, "DELETE", f"/v1/agents/{in_letta}")
        await caller.leave()
        problem = await shown(caller)
        assert problem["code"] == "agent_fails"
        assert in_letta in problem["message"] or "Letta" in problem["message"], problem
        sent = [json.loads(line) for line in stack.settings.reconnect_log.read_text().splitlines()]
        room = caller.session["room_name"]
        jobs = [line for line in sent if (line["event"], line["room"]) == (LogEvent.JOB_STARTED, room)]
        assert len(jobs) <= 1 + RECYCLE_LIMIT


async def shown(caller: Caller) -> dict[str, Any]:
    """The problem of the caller's room, once there is one."""
    async with asyncio.timeout(60):
        while True:
            answer = await caller.ask_the_server("GET", "")
            if problem := answer.json().get("problem"):
                return dict(problem)
            await asyncio.sleep(0.2)
