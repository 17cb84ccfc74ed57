"""Agents that are made for an assistant: one suite on the Letta in memory and on real ones."""

from __future__ import annotations

import secrets

import pytest

from tests.support.any_letta import AnyLetta
from tests.support.letta_server import NO_SUCH_AGENT
from voice_agent.errors import Code, Permanent

pytestmark = pytest.mark.usefixtures("stack")
"""Named here, so that the leak check knows that the system belongs to the whole run."""

BLOCKS = {"persona": "I am Luna.", "human": "", "task": "Teach me the names of the stars."}


async def blocks_of(letta: AnyLetta, agent: str) -> dict[str, str]:
    return {block.label: block.value for block in (await letta.port.load_blocks(agent)).blocks}


def an_id() -> str:
    return f"va-{secrets.token_hex(12)}"


async def test_an_agent_is_made_with_its_blocks_and_found_by_its_assistant(letta: AnyLetta) -> None:
    luna, other = an_id(), an_id()
    assert await letta.port.find_assistants(luna) == []
    made = [await letta.port.create_assistant(luna, "Luna", "Stars", BLOCKS) for _ in range(2)]
    assert await letta.port.find_assistants(luna) == made
    assert await letta.port.find_assistants(other) == []
    assert await blocks_of(letta, made[0]) == BLOCKS
    shown = await letta.port.get_agent(made[0])
    assert shown is not None
    assert (shown.name, shown.description, shown.made_for) == ("Luna", "Stars", luna)
    assert shown.model
    listed = {agent.id: agent.made_for for agent in await letta.port.list_agents()}
    assert {listed[agent] for agent in made} == {luna}


async def test_a_home_of_it_was_made_for_a_person_and_not_for_the_assistant(letta: AnyLetta) -> None:
    luna = an_id()
    agent = await letta.port.create_assistant(luna, "Luna", "Stars", BLOCKS)
    home = await letta.port.create_home(agent, "user:robin", "Robin", lambda _: True)
    assert await letta.port.find_assistants(luna) == [agent]
    with pytest.raises(Permanent):
        await letta.port.delete_assistant(home)


async def test_what_it_is_can_be_rewritten_and_what_was_added_stays(letta: AnyLetta) -> None:
    agent = await letta.port.create_assistant(an_id(), "Luna", "Stars", BLOCKS)
    await letta.set_block(agent, "task", f"{BLOCKS['task']}\nOrion comes first.")
    await letta.set_block(agent, "human", "Robin has a telescope.")
    new = {"persona": "I am Sol.", "task": "Teach me the planets."}
    for _ in range(2):
        await letta.port.write_assistant(agent, "Sol", "Planets", new)
    assert await blocks_of(letta, agent) == {
        "persona": "I am Sol.",
        "human": "Robin has a telescope.",
        "task": "Teach me the planets.\nOrion comes first.",
    }
    shown = await letta.port.get_agent(agent)
    assert shown is not None
    assert (shown.name, shown.description) == ("Sol", "Planets")
    await letta.remove_block(agent, "task")
    await letta.port.write_assistant(agent, "Sol", "Planets", new)
    assert (await blocks_of(letta, agent))["task"] == "Teach me the planets."


async def test_only_what_was_made_is_deleted_and_more_than_once(letta: AnyLetta) -> None:
    somebodys = await letta.add_agent("Ada", {"persona": "I am Ada."})
    luna = an_id()
    agent = await letta.port.create_assistant(luna, "Luna", "Stars", BLOCKS)
    for _ in range(2):
        await letta.port.delete_assistant(agent)
    await letta.port.delete_assistant(NO_SUCH_AGENT)
    assert await letta.port.get_agent(agent) is None
    assert await letta.port.find_assistants(luna) == []
    with pytest.raises(Permanent) as caught:
        await letta.port.delete_assistant(somebodys)
    assert caught.value.code is Code.BAD_REQUEST
    assert await blocks_of(letta, somebodys) == {"persona": "I am Ada."}
