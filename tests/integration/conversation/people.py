"""Whom the callers talk to, and about what."""

from __future__ import annotations

from typing import Any

from tests.support.caller import FrontDoor
from tests.support.letta_agents import make_agent
from tests.support.stack import Stack

BOAT = "The person's sailing boat is called Marigold."
QUESTION = "What is the name of my sailing boat?"


async def somebody_curt(stack: Stack, door: FrontDoor, name: str, **config: Any) -> str:
    """A saved voice configuration that greets with one syllable: what these tests wait for is not the greeting."""
    saved = {"name": name, "letta_agent_id": make_agent(stack, name, BOAT), "config": {"greeting": "Hi.", **config}}
    answer = await door.http.post("/agents", json=saved)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])
