"""Homes: one for each (assistant, person), created once; what a person says goes nowhere else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.memory_world import THREAD, MemoryWorld
from voice_agent.contracts import AgentBinding, Audience, MemoryScope, ReplyPath
from voice_agent.errors import Code, Permanent
from voice_agent.memory.audience import Listener, heard_by_everyone
from voice_agent.memory.homes import OWNER, Homes
from voice_agent.memory.model import FACTS, TurnState

ROBIN, KIM = "user:robin", "user:kim"


async def test_the_owner_and_nobody_in_particular_live_in_the_assistant(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        for person in ("", OWNER):
            assert await world.homes.home(world.agent, person) == world.agent
            assert await world.homes.ensure(world.agent, person, "Ann") == world.agent
            await world.homes.forget(world.agent, person)
        assert list(world.letta.agents) == [world.agent]


async def test_a_home_is_made_at_the_first_need_and_once(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        assert await world.homes.home(world.agent, ROBIN) is None
        others = Homes(world.database, world.letta)
        made = await asyncio.gather(
            *(homes.ensure(world.agent, ROBIN, "Robin") for homes in (world.homes, others) for _ in range(5))
        )
        kim = await world.homes.ensure(world.agent, KIM, "Kim")
        assert len(set(made)) == 1
        assert {await others.home(world.agent, ROBIN), kim} == {made[0], kim}
        assert kim != made[0]
        assert set(world.letta.homes) == {made[0], kim}


async def test_a_home_that_a_crash_kept_from_the_table_is_found_again(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        there = [await world.letta.create_home(world.agent, ROBIN, "Robin", heard_by_everyone) for _ in range(2)]
        assert await world.homes.ensure(world.agent, ROBIN) == there[0]
        assert list(world.letta.homes) == [there[0]], "one that a lost race left is removed"


async def test_forgetting_deletes_the_home_and_the_next_need_makes_another(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0, person=ROBIN)
        await world.drain_until_quiet()
        first = await world.homes.ensure(world.agent, ROBIN)
        await world.homes.forget(world.agent, ROBIN)
        await world.homes.forget(world.agent, ROBIN)
        assert world.said() == []
        assert await world.homes.home(world.agent, ROBIN) is None
        await world.speak(1, person=ROBIN)
        await world.drain_until_quiet()
        assert await world.homes.home(world.agent, ROBIN) not in (None, first)


async def test_blocks_are_brought_over_once_for_each_version(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        home = await world.homes.ensure(world.agent, ROBIN)
        await world.letta.edit_block(world.agent, "persona", "I am Bert")
        await world.homes.sync(world.agent, ROBIN, "v1", heard_by_everyone)
        await world.letta.edit_block(home, "persona", "edited in the home")
        await world.homes.sync(world.agent, ROBIN, "v1", heard_by_everyone)
        assert (await world.letta.load_blocks(home)).blocks[0].value == "edited in the home"
        await world.homes.sync(world.agent, ROBIN, "v2", heard_by_everyone)
        assert (await world.letta.load_blocks(home)).blocks[0].value == "I am Bert"


async def said_in(world: MemoryWorld) -> dict[str, list[str]]:
    """Agent -> marks of what it holds."""
    found: dict[str, list[str]] = {}
    for conversation, messages in world.letta.conversations.items():
        found.setdefault(world.letta.owner[conversation], []).extend(m.mark for m in messages if m.role == "user")
    return found


async def test_what_several_people_say_in_one_thread_is_kept_apart(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        for number, person in enumerate((OWNER, ROBIN, ROBIN, KIM, "", ROBIN)):
            await world.speak(number, person=person)
        await world.drain_until_quiet()
        robin, kim = await world.homes.home(world.agent, ROBIN), await world.homes.home(world.agent, KIM)
        assert await said_in(world) == {
            world.agent: ["va:t0", "va:t4"],
            robin: ["va:t1", "va:t2", "va:t5"],
            kim: ["va:t3"],
        }


async def test_a_read_only_turn_makes_no_home(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0, person=ROBIN, scope=MemoryScope.READ_ONLY)
        await world.memory.allow_reflection(THREAD)
        await world.drain_until_quiet()
        await world.reflection.run_due()
        binding = AgentBinding(
            agent_id="a",
            letta_agent_id=world.agent,
            name="Ada",
            memory_scope=MemoryScope.READ_ONLY,
            reply_path=ReplyPath.LETTA,
        )
        await world.memory.prepare(THREAD, binding, ROBIN, "Robin", 5.0)
        await world.memory.load(world.agent, 5.0, Listener.of(ROBIN, {}))
        assert list(world.letta.agents) == [world.agent]


async def test_a_home_that_somebody_deleted_in_letta_is_made_anew(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0, person=ROBIN)
        await world.drain_until_quiet()
        gone = await world.homes.ensure(world.agent, ROBIN)
        await world.letta.delete_agent(gone)
        await world.speak(1, person=ROBIN)
        await world.drain_until_quiet()
        assert list((await said_in(world)).values()) == [["va:t1"]]
        assert await world.outbox.counts() == {TurnState.DONE: 2}


async def test_turns_are_parked_when_the_assistant_is_gone(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        world.letta.agents.clear()
        await world.speak(0, person=ROBIN)
        await world.drain_until_quiet()
        assert await world.outbox.counts() == {TurnState.PARKED: 1}


async def test_letta_works_on_the_memory_of_each_person_apart(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        for number, person in enumerate((ROBIN, OWNER, ROBIN)):
            await world.speak(number, person=person)
        await world.memory.allow_reflection(THREAD)
        await world.reflection.run_due()
        tended = dict(world.letta.reflections)
        assert set(tended) == {world.agent, await world.homes.home(world.agent, ROBIN)}
        assert "question 1" in tended[world.agent]
        assert "question 0" not in tended[world.agent]


async def test_letta_answers_each_person_in_their_home(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        binding = AgentBinding(agent_id="a", letta_agent_id=world.agent, name="Ada", reply_path=ReplyPath.LETTA)
        await world.memory.prepare(THREAD, binding, ROBIN, "Robin", 5.0)
        made, listener = len(world.letta.conversations), Listener.of(ROBIN, {})
        turn = world.turn(0, path=ReplyPath.LETTA, person=ROBIN)
        await world.outbox.open_turn(turn)
        async for _ in world.memory.reply(THREAD, world.agent, turn.turn_id, turn.user_text, listener, "Robin"):
            pass
        await world.outbox.finish_turn(turn.turn_id, "I do not know.", interrupted=False)
        await world.drain_until_quiet()
        assert await said_in(world) == {await world.homes.home(world.agent, ROBIN): ["va:t0"]}
        assert (len(world.letta.conversations), world.letta.recordings) == (made, 0)


async def test_what_is_known_of_the_owner_is_loaded_for_nobody_else(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.letta.edit_block(world.agent, "human", "The owner sails.")
        await world.letta.set_block(world.agent, FACTS, "- The owner is rich.", "")

        async def loaded(person: str) -> str:
            return str((await world.memory.load(world.agent, 5.0, Listener.of(person, {}))).snapshot)

        assert "rich" in await loaded(OWNER)
        assert "sails" in await loaded(OWNER)
        for other in ("", "session:s", "browser:b", ROBIN):
            assert "owner" not in await loaded(other)
        home = await world.homes.ensure(world.agent, ROBIN)
        await world.letta.edit_block(home, "human", "Robin flies.")
        await world.letta.edit_block(world.agent, "persona", "I am Bert")
        told = await loaded(ROBIN)
        assert "Robin flies." in told
        assert "I am Bert" in told
        assert "owner" not in told
        assert "I am Bert" in str(await world.letta.load_blocks(home)), "the copy follows"


async def test_only_homes_can_be_deleted(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        with pytest.raises(Permanent) as caught:
            await world.letta.delete_agent(world.agent)
        assert caught.value.code is Code.BAD_REQUEST


async def test_a_home_holds_of_the_assistant_what_its_person_hears(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        for label in ("prices", "diary", "task"):
            await world.letta.edit_block(world.agent, label, f"The {label}.")

        async def held(audience: dict[str, Audience]) -> set[str]:
            """By the home, once Letta may answer from it."""
            home, listener = await world.homes.ensure(world.agent, ROBIN), Listener.of(ROBIN, audience)
            binding = AgentBinding(
                agent_id="a", letta_agent_id=world.agent, name="Ada", reply_path=ReplyPath.LETTA, audience=audience
            )
            await world.memory.load(world.agent, 5.0, listener)
            await world.memory.prepare(THREAD, binding, ROBIN, "Robin", 5.0)
            return {block.label for block in (await world.letta.load_blocks(home)).blocks if block.value}

        assert await held({}) == {"persona", "task"}
        assert await held({"prices": Audience.KNOWN}) == {"persona", "task", "prices"}
        assert await held({"task": Audience.OWNER}) == {"persona"}, "also what it had been given before is gone"


async def test_a_home_of_before_is_put_right_before_letta_answers_from_it(tmp_path: Path) -> None:
    """Homes had copies of all blocks; and Letta may be away when memory is loaded."""
    async with MemoryWorld.open(tmp_path) as world:
        await world.letta.edit_block(world.agent, "diary", "The owner is in love.")
        home = await world.homes.ensure(world.agent, ROBIN, copied=lambda _: True)
        assert "in love" in str(await world.letta.load_blocks(home))
        turn = world.turn(0, path=ReplyPath.LETTA, person=ROBIN)
        await world.outbox.open_turn(turn)
        async for _ in world.memory.reply(THREAD, world.agent, turn.turn_id, "Hello.", Listener.of(ROBIN, {})):
            pass
        assert "in love" not in str(await world.letta.load_blocks(home))
        assert world.letta.recompiled, "nor does the prompt of its conversation hold it"


@pytest.mark.parametrize("person", ["", "session:s"])
async def test_letta_answers_nobody_from_the_owners_agent(tmp_path: Path, person: str) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        turn = world.turn(0, path=ReplyPath.LETTA, person=person)
        await world.outbox.open_turn(turn)
        with pytest.raises(Permanent) as caught:
            await anext(world.memory.reply(THREAD, world.agent, turn.turn_id, "Hello.", Listener.of(person, {})))
        assert caught.value.code is Code.FORBIDDEN
        assert (world.said(), list(world.letta.agents)) == ([], [world.agent])
