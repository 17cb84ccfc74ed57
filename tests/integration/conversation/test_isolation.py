"""Isolation of several people at the same time, each in a separate room."""

from __future__ import annotations

from tests.support.caller import control_api
from tests.support.crowd import WORDS, crowd
from tests.support.letta_agents import make_agent
from tests.support.stack import Stack


async def test_nobody_hears_or_reads_what_is_anothers(stack: Stack) -> None:
    """Three here; the soak has ten."""
    async with control_api(stack) as api:
        saved = {"name": "Crowd", "letta_agent_id": make_agent(stack, "Crowd"), "config": {"greeting": "Hi."}}
        agent = (await api.http.post("/agents", json=saved)).raise_for_status().json()["id"]
        await crowd(stack, api, agent, WORDS[:3])
