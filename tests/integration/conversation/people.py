"""Assistant and subject of the conversations in these tests."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.caller import Caller, ControlApi
from tests.support.eventually import eventually
from tests.support.letta_agents import make_agent
from tests.support.letta_server import RealLetta
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack

BOAT = "The person's sailing boat is called Marigold."
QUESTION = "What is the name of my sailing boat?"
KNOWS_THE_BOAT = Rule(user="boat", system=r"boat is called (\w+)", reply=r"It is called \1.")
"""The name comes from the prompt that the assistant sent, not from the rule."""


async def somebody_curt(stack: Stack, api: ControlApi, name: str, **config: Any) -> str:
    """A saved voice configuration that greets with one syllable: what these tests wait for is not the greeting."""
    saved = {"name": name, "letta_agent_id": make_agent(stack, name, BOAT), "config": {"greeting": "Hi.", **config}}
    answer = await api.http.post("/agents", json=saved)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def told_of_a_parrot(stack: Stack, api: ControlApi) -> Caller:
    """Somebody who said what their parrot is called and left; Letta's own tools wrote it into memory, in its words."""
    real = RealLetta(stack)
    agent = await asyncio.to_thread(real.add_agent, "Tended", {"persona": "I am Ada.", "human": "They like birds."})
    note = {"label": "human", "new_string": "Noted: the parrot of this person is named Pip."}
    stack.llm.script(
        Rule(user="transcript.*parrot is called Pip", tool="memory_insert", arguments=note),
        Rule(user="what is my parrot", system=r"Noted: the parrot of this person is named (\w+)", reply=r"It is \1."),
        Rule(user="parrot", reply="A fine name."),
    )
    caller = await api.come_in(agent_id=agent)
    await caller.greeting()
    assert "fine name" in await caller.ask("My parrot is called Pip.")
    await caller.leave()
    known = await asyncio.to_thread(
        eventually, lambda: real.block(agent, "human"), lambda text: "named Pip" in text, within=60
    )
    assert "named Pip" in known
    return caller
