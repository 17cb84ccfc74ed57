"""An assistant's own Letta agent: made once, whatever ends between Letta and our database, and deleted when asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.support.fake_letta import FakeLetta
from tests.support.newest import newest_file
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.forget_assistant import AssistantForgetting
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.facts.tables import facts
from voice_agent.memory.homes import Homes
from voice_agent.memory.model import Block
from voice_agent.memory.own_agent import made_for, made_tag, rewritten
from voice_agent.observe.log import ReconnectLog
from voice_agent.registry.agents import AgentRegistry
from voice_agent.registry.model import Agent, AgentDraft, Kind
from voice_agent.registry.store import SqlAgentStore, SqlOwnMemoryStore
from voice_agent.storage import Database
from voice_agent.web.memory_cleaner import ABANDONED_AFTER, MemoryCleaner

LUNA = AgentDraft("Luna", description="Teach me the stars.")
KEY = "an-attempt-of-a-client"
DAY = datetime(2026, 11, 28, tzinfo=UTC)


class Crash(Exception):
    """The process ends here."""


class MortalLetta(FakeLetta):
    def __init__(self) -> None:
        super().__init__()
        self.dies_after_creating = False
        self.deletes = True
        self.created = 0

    async def create_assistant(self, assistant_id: str, name: str, description: str, blocks: Mapping[str, str]) -> str:
        self.created += 1
        made = await super().create_assistant(assistant_id, name, description, blocks)
        if self.dies_after_creating:
            raise Crash
        return made

    async def delete_assistant(self, agent_id: str) -> None:
        if not self.deletes:
            raise Temporary(Code.LETTA_UNAVAILABLE, "away")
        await super().delete_assistant(agent_id)


class MortalStore(SqlAgentStore):
    dies_before_adding = False

    async def add(self, agent_id: str, draft: AgentDraft, now: float) -> Agent | None:
        if self.dies_before_adding:
            raise Crash
        return await super().add(agent_id, draft, now)


class World:
    def __init__(self, home: Path) -> None:
        self.now = 1000.0
        self.database = Database(f"sqlite+aiosqlite:///{home / 'voice.db'}")
        self.letta = MortalLetta()
        self.log = ReconnectLog(home / "log", "serve")
        self.saved = MortalStore(self.database)
        self.memories = SqlOwnMemoryStore(self.database)
        self.forgetting = AssistantForgetting(self.database, self.letta, self.log)
        self.cleaner = MemoryCleaner(self.memories, self.letta, self.forgetting, self.log, lambda: self.now)
        self.restart()

    def restart(self) -> None:
        """As a new process: nothing that was in memory is left."""
        self.letta.dies_after_creating = self.saved.dies_before_adding = False
        self.agents = AgentRegistry(self.saved, self.memories, self.letta, lambda: self.now, "")

    async def listed(self) -> list[tuple[Kind, str]]:
        return [(agent.kind, agent.name) for agent in (await self.agents.list()).agents]

    def blocks(self, letta_agent_id: str) -> dict[str, str]:
        return {block.label: block.value for block in self.letta.agents[letta_agent_id][1]}

    async def told(self, letta_agent_id: str, person_id: str, text: str) -> None:
        await FactStore(self.database).add(Fact(f"{person_id} {text}", letta_agent_id, person_id, text, DAY))

    async def facts(self) -> set[str]:
        async with self.database.read() as connection:
            return set(await connection.scalars(select(facts.c.text)))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    (tmp_path / "voice.db").write_bytes(await asyncio.to_thread(newest_file))
    opened = World(tmp_path)
    yield opened
    await opened.database.close()


async def test_a_new_assistant_has_a_memory_of_its_own_and_is_listed_once(world: World) -> None:
    await world.letta.add_agent("Ada", [Block("persona", "I am Ada.")])
    luna = await world.agents.create(LUNA)
    assert luna.own_memory
    assert world.blocks(luna.letta_agent_id) == {
        "persona": "I am Luna.",
        "task": "Teach me the stars.",
        "human": "",
    }
    assert await world.listed() == [(Kind.SAVED, "Luna"), (Kind.LETTA, "Ada")]
    assert (await world.agents.get(luna.id)).own_memory
    assert (await world.agents.bind(luna.id)).letta_agent_id == luna.letta_agent_id


async def test_sharing_is_asked_for_and_makes_nothing(world: World) -> None:
    ada = await world.letta.add_agent("Ada", [Block("persona", "I am Ada.")])
    sharing = await world.agents.create(replace(LUNA, letta_agent_id=ada))
    assert (sharing.letta_agent_id, sharing.own_memory, world.letta.created) == (ada, False, 0)
    with pytest.raises(Permanent) as refused:
        await world.agents.delete(sharing.id, None, forget=True)
    assert refused.value.code is Code.CONFLICT
    assert await world.cleaner.clean()
    assert ada in world.letta.agents


@pytest.mark.parametrize("where", ["in Letta", "in the database"])
async def test_after_a_crash_the_next_attempt_uses_what_is_there(world: World, where: str) -> None:
    world.letta.dies_after_creating = where == "in Letta"
    world.saved.dies_before_adding = where == "in the database"
    with pytest.raises(Crash):
        await world.agents.create(LUNA, KEY)
    assert await world.listed() == [], "what was begun is nobody's to talk to"
    world.restart()
    luna = await world.agents.create(replace(LUNA, description="Teach me the planets."), KEY)
    assert world.letta.created == 1
    assert world.blocks(luna.letta_agent_id)["task"] == "Teach me the planets."
    assert await world.listed() == [(Kind.SAVED, "Luna")]


@pytest.mark.parametrize("where", ["in Letta", "in the database"])
async def test_without_another_attempt_the_orphan_is_removed_in_time(world: World, where: str) -> None:
    ada = await world.letta.add_agent("Ada", [])
    world.letta.dies_after_creating = where == "in Letta"
    world.saved.dies_before_adding = where == "in the database"
    with pytest.raises(Crash):
        await world.agents.create(LUNA)
    world.restart()
    assert await world.cleaner.clean()
    assert len(world.letta.agents) == 2, "an attempt that may still go on is left alone"
    world.now += ABANDONED_AFTER + 1
    assert await world.cleaner.clean()
    assert list(world.letta.agents) == [ada]
    assert await world.memories.assistants() == frozenset()


async def test_an_assistant_that_is_there_is_never_cleaned_up(world: World) -> None:
    luna = await world.agents.create(LUNA)
    world.now += 10 * ABANDONED_AFTER
    assert await world.cleaner.clean()
    assert luna.letta_agent_id in world.letta.agents


async def test_attempts_with_one_key_are_one_assistant_and_others_are_refused(world: World) -> None:
    made = await asyncio.gather(*(world.agents.create(LUNA, KEY) for _ in range(3)))
    assert len({agent.id for agent in made}) == world.letta.created == 1
    with pytest.raises(Permanent) as refused:
        await world.agents.create(replace(LUNA, name="Sol"), KEY)
    assert refused.value.code is Code.CONFLICT
    assert (await world.agents.create(LUNA)).id != made[0].id
    await world.agents.delete(made[0].id, None)
    with pytest.raises(Permanent):
        await world.agents.create(LUNA, KEY)
    world.now += ABANDONED_AFTER + 1
    assert await world.cleaner.clean()
    assert made[0].letta_agent_id in world.letta.agents, "what was kept is not lost by a late attempt"


async def test_of_two_processes_that_create_the_same_one_memory_stays(world: World) -> None:
    other = AgentRegistry(world.saved, world.memories, world.letta, lambda: world.now, "")
    made = await asyncio.gather(world.agents.create(LUNA, KEY), other.create(LUNA, KEY))
    assert len({agent.letta_agent_id for agent in made}) == 1
    assert list(world.letta.agents) == [made[0].letta_agent_id]


async def test_a_change_reaches_its_blocks_and_a_refused_one_does_not(world: World) -> None:
    luna = await world.agents.create(LUNA)
    sol = replace(LUNA, name="Sol", description="Teach me the planets.")
    changed = await world.agents.update(luna.id, sol, 1)
    assert (changed.own_memory, changed.letta_agent_id) == (True, luna.letta_agent_id)
    assert world.blocks(luna.letta_agent_id)["persona"] == "I am Sol."
    with pytest.raises(Permanent) as refused:
        await world.agents.update(luna.id, replace(LUNA, letta_agent_id=luna.letta_agent_id), 1)
    assert refused.value.code is Code.VERSION_CONFLICT
    assert world.blocks(luna.letta_agent_id)["persona"] == "I am Sol."
    again = await world.agents.update(luna.id, replace(LUNA, letta_agent_id=luna.letta_agent_id), 2)
    assert again.own_memory, "what a client read and sends back keeps its meaning"
    assert world.blocks(luna.letta_agent_id)["persona"] == "I am Luna."


async def test_one_that_shared_gets_its_own_and_finds_it_again(world: World) -> None:
    ada = await world.letta.add_agent("Ada", [])
    sharing = await world.agents.create(replace(LUNA, letta_agent_id=ada))
    own = await world.agents.update(sharing.id, LUNA, 1)
    shared = await world.agents.update(sharing.id, replace(LUNA, letta_agent_id=ada), 2)
    assert (own.own_memory, shared.own_memory) == (True, False)
    assert (await world.agents.update(sharing.id, LUNA, 3)).letta_agent_id == own.letta_agent_id


async def test_one_that_was_deleted_in_letta_is_made_again_with_the_next_change(world: World) -> None:
    luna = await world.agents.create(LUNA)
    await world.letta.delete_assistant(luna.letta_agent_id)
    assert not (await world.agents.get(luna.id)).available
    again = await world.agents.update(luna.id, LUNA, 1)
    assert again.letta_agent_id != luna.letta_agent_id
    assert again.own_memory


async def test_a_deleted_assistant_leaves_its_memory_unless_it_is_to_go_too(world: World) -> None:
    kept, gone = await world.agents.create(LUNA), await world.agents.create(replace(LUNA, name="Sol"))
    home = await Homes(world.database, world.letta).ensure(gone.letta_agent_id, "user:robin")
    await world.told(gone.letta_agent_id, "user:robin", "The user has a cat.")
    await world.told(gone.letta_agent_id, "owner", "The user has a dog.")
    await world.told(kept.letta_agent_id, "owner", "The user has a boat.")
    await world.agents.delete(kept.id, None)
    await world.agents.delete(gone.id, None, forget=True)
    assert await world.listed() == [(Kind.LETTA, "Luna")], "what was kept is Letta's; what goes is not shown any more"
    assert await world.cleaner.clean()
    assert list(world.letta.agents) == [kept.letta_agent_id]
    assert home not in world.letta.agents
    assert await world.facts() == {"The user has a boat."}
    assert await world.memories.assistants() == frozenset()


async def test_what_letta_cannot_delete_now_is_deleted_later(world: World) -> None:
    luna = await world.agents.create(LUNA)
    await world.agents.delete(luna.id, None, forget=True)
    world.letta.deletes = False
    assert not await world.cleaner.clean()
    assert luna.letta_agent_id in world.letta.agents
    world.letta.deletes = True
    assert await world.cleaner.clean()
    assert luna.letta_agent_id not in world.letta.agents


async def test_a_memory_that_others_share_is_not_deleted(world: World) -> None:
    luna = await world.agents.create(LUNA)
    sharing = await world.agents.create(replace(LUNA, name="Sol", letta_agent_id=luna.letta_agent_id))
    with pytest.raises(Permanent, match="Sol") as refused:
        await world.agents.delete(luna.id, None, forget=True)
    assert refused.value.code is Code.CONFLICT
    await world.agents.delete(sharing.id, None)
    await world.agents.delete(luna.id, None, forget=True)


def test_an_agent_is_known_by_its_tag() -> None:
    assert made_for(["va:assistant", made_tag("va-1")]) == "va-1"
    assert made_for(["va:home", "somebody's"]) == ""


@pytest.mark.parametrize(
    ("value", "before", "after", "expected"),
    [
        ("Old.", "Old.", "New.", "New."),
        ("Old. And more.", "Old.", "New.", "New. And more."),
        ("Mine.", "Old.", "New.", "New.\nMine."),
        ("New. And more.", "Old.", "New.", "New. And more."),
        ("", "", "New.", "New."),
        ("Old.", "Old.", "", ""),
    ],
)
def test_our_text_at_the_beginning_of_a_block_is_replaced(value: str, before: str, after: str, expected: str) -> None:
    assert rewritten(value, before, after) == expected
