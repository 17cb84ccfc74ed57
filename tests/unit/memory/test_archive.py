"""Archive: facts reach Letta exactly once, and what is changed there counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fact_rows import FactRows
from tests.support.memory_world import MemoryWorld
from voice_agent.memory.facts.archive import Archive
from voice_agent.memory.facts.block import BLOCK_CHARS
from voice_agent.memory.facts.fact import ArchiveState, Fact, FactSource, FactState
from voice_agent.memory.model import FACTS, fact_mark

ROBIN = "user:robin"
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


class Facts:
    def __init__(self, world: MemoryWorld, person: str = ROBIN) -> None:
        self.world, self.person = world, person
        self.rows = FactRows(world.database)
        self.now = 0.0
        self.restart()

    def restart(self) -> None:
        """Another process: it knows nothing but the tables."""
        world = self.world
        self.archive = Archive(self.rows, world.homes, world.letta, world.log, grace=8.0, clock=lambda: self.now)

    async def add(self, number: int, *, replaces: int | None = None, text: str = "") -> None:
        said_at = NOON + timedelta(days=number)
        old = "" if replaces is None else f"f{replaces}"
        await self.rows.add(
            Fact(f"f{number}", self.world.agent, self.person, text or f"Fact {number}.", said_at, replaces=old)
        )
        if old:
            await self.rows.set_state([old], FactState.REPLACED)

    async def run(self) -> None:
        self.now += 10.0
        await self.archive.run_due()

    async def run_until_quiet(self) -> None:
        for _ in range(30):
            await self.run()
            if not await self.rows.archivable(10):
                return
        raise AssertionError("never quiet")

    async def home(self) -> str:
        return await self.world.homes.ensure(self.world.agent, self.person)

    async def texts(self) -> list[str]:
        return [passage.text for passage in await self.world.letta.passages(await self.home())]

    async def block(self) -> str:
        block = await self.world.letta.get_block(await self.home(), FACTS)
        return block.value if block else ""

    async def known(self) -> list[tuple[str, FactSource]]:
        all_of = await self.rows.of_person(self.world.agent, self.person)
        return [(fact.text, fact.source) for fact in all_of if fact.state is FactState.KNOWN]

    async def read_back(self) -> None:
        await self.archive.read_back(self.world.agent, self.person)


@asynccontextmanager
async def facts_in(directory: Path, person: str = ROBIN) -> AsyncIterator[Facts]:
    async with MemoryWorld.open(directory) as world:
        yield Facts(world, person)


async def _play(directory: Path, script: list[tuple[int, list[bool], bool]]) -> None:
    async with facts_in(directory) as facts:
        count = 0
        for new, failures, restarted in script:
            for _ in range(new):
                await facts.add(count)
                count += 1
            facts.world.letta.passage_failures = list(failures)
            await facts.run()
            if restarted:
                facts.restart()
        facts.world.letta.passage_failures = []
        await facts.run_until_quiet()
        assert await facts.texts() == [f"Fact {number}." for number in range(count)]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.lists(st.booleans(), max_size=3), st.booleans()), max_size=6))
def test_every_fact_reaches_letta_exactly_once(script: list[tuple[int, list[bool], bool]]) -> None:
    with TemporaryDirectory() as directory:
        asyncio.run(_play(Path(directory), script))


async def test_nothing_is_posted_again_while_the_first_post_may_still_arrive(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        await facts.add(0)
        facts.world.letta.passage_failures = [False]
        await facts.run()
        facts.restart()
        for _ in range(5):
            await facts.archive.run_due()
        assert facts.world.letta.passages_added == 1
        await facts.run_until_quiet()
        assert await facts.texts() == ["Fact 0."]


async def test_a_passage_says_which_fact_from_which_turn_and_when(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        fact = Fact("f1", facts.world.agent, ROBIN, "Robin has a cat.", NOON, turn_id="t7")
        await facts.rows.add(fact)
        await facts.run_until_quiet()
        [passage] = await facts.world.letta.passages(await facts.home())
        assert (passage.created_at, set(passage.tags)) == (NOON, {fact_mark("f1"), "va:turn:t7"})
        [kept] = await facts.rows.of_person(facts.world.agent, ROBIN)
        assert (kept.archive_state, kept.passage_id) == (ArchiveState.DONE, passage.id)


async def test_what_letta_never_takes_is_parked_and_holds_back_nothing(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        await facts.add(0)
        facts.world.letta.passage_failures = [False] * 8
        for _ in range(20):
            await facts.run()
        [parked] = await facts.rows.of_person(facts.world.agent, ROBIN)
        assert parked.archive_state is ArchiveState.PARKED
        assert "8 times" in parked.note
        await facts.add(1)
        await facts.run_until_quiet()
        assert await facts.texts() == ["Fact 1."]


async def test_replaced_and_forgotten_facts_leave_letta(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        for number in range(3):
            await facts.add(number)
        await facts.run_until_quiet()
        await facts.add(3, replaces=0)
        await facts.rows.set_state(["f1"], FactState.FORGOTTEN)
        await facts.add(4)
        await facts.rows.set_state(["f4"], FactState.FORGOTTEN)
        await facts.run_until_quiet()
        assert await facts.texts() == ["Fact 2.", "Fact 3."]
        assert await facts.block() == "- Fact 3. (2026-11-29)\n- Fact 2. (2026-11-28)"


async def test_a_fact_that_is_forgotten_while_it_is_on_its_way_leaves_letta(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        await facts.add(0)
        facts.world.letta.passage_failures = [True]
        await facts.run()
        assert await facts.texts() == ["Fact 0."]
        await facts.rows.set_state(["f0"], FactState.FORGOTTEN)
        await facts.run_until_quiet()
        assert await facts.texts() == []


async def test_the_block_is_bounded_and_newest_first(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        for number in range(40):
            await facts.add(number, text=f"Fact {number} " + "x" * 80)
        await facts.run_until_quiet()
        block = await facts.block()
        assert len(block) <= BLOCK_CHARS
        assert block.startswith("- Fact 39 ")
        assert "Fact 1 " not in block


async def test_a_block_that_a_person_made_is_left_alone(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        await facts.world.letta.edit_block(await facts.home(), FACTS, "My own notes.")
        await facts.add(0)
        await facts.run_until_quiet()
        await facts.read_back()
        assert await facts.block() == "My own notes."
        assert await facts.known() == [("Fact 0.", FactSource.SAID)]


async def test_a_passage_that_somebody_deleted_is_forgotten(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        await facts.add(0)
        await facts.add(1)
        await facts.run_until_quiet()
        home = await facts.home()
        [first, _] = await facts.world.letta.passages(home)
        await facts.world.letta.delete_passage(home, first.id)
        await facts.read_back()
        assert await facts.known() == [("Fact 1.", FactSource.SAID)]
        assert await facts.block() == "- Fact 1. (2026-11-27)"
        await facts.run_until_quiet()
        await facts.read_back()
        assert await facts.texts() == ["Fact 1."]


async def test_a_passage_that_somebody_added_is_known_once(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        await facts.add(0)
        await facts.run_until_quiet()
        home = await facts.home()
        await facts.world.letta.add_passage(home, "Robin has a boat.", [], NOON - timedelta(days=1))
        await facts.world.letta.add_passage(home, "A document. " * 40, [], NOON)
        for _ in range(2):
            await facts.read_back()
            await facts.run_until_quiet()
        assert await facts.known() == [("Robin has a boat.", FactSource.LETTA), ("Fact 0.", FactSource.SAID)]
        assert len(await facts.texts()) == 3


async def test_edited_lines_replace_added_ones_are_known_and_removed_ones_forgotten(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        for number in range(4):
            await facts.add(number)
        await facts.run_until_quiet()
        edited = "- Fact 3. (2026-11-29)\n- Fact 2 was wrong. (2026-11-28)\n- Fact 0. (2026-11-26)\nRobin also sings."
        await facts.world.letta.edit_block(await facts.home(), FACTS, edited)
        await facts.add(9)
        for _ in range(2):
            await facts.run_until_quiet()
            await facts.read_back()
        assert {text for text, _ in await facts.known()} == {
            "Fact 0.",
            "Fact 2 was wrong.",
            "Fact 3.",
            "Fact 9.",
            "Robin also sings.",
        }
        assert sorted(await facts.texts()) == sorted(text for text, _ in await facts.known())
        assert "Fact 9." in await facts.block()


async def test_a_forgotten_fact_is_not_learned_again_from_a_block_that_still_shows_it(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        await facts.add(0)
        await facts.add(1)
        await facts.run_until_quiet()
        await facts.rows.set_state(["f0"], FactState.FORGOTTEN)
        block = await facts.block()
        await facts.world.letta.edit_block(await facts.home(), FACTS, f"{block}\n- Robin sings.")
        await facts.read_back()
        assert {text for text, _ in await facts.known()} == {"Fact 1.", "Robin sings."}
        assert "Fact 0" not in await facts.block()


async def test_a_home_that_is_gone_is_no_wish_to_forget(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        await facts.add(0)
        await facts.run_until_quiet()
        await facts.world.letta.delete_agent(await facts.home())
        await facts.read_back()
        await facts.run_until_quiet()
        assert await facts.texts() == ["Fact 0."]


async def test_the_owner_has_them_in_the_assistant_and_nobody_sees_another_ones(tmp_path: Path) -> None:
    async with facts_in(tmp_path, person="owner") as owner:
        robin = Facts(owner.world)
        await owner.add(0)
        await robin.add(1)
        await owner.run_until_quiet()
        assert await owner.home() == owner.world.agent
        assert (await owner.texts(), await robin.texts()) == (["Fact 0."], ["Fact 1."])


async def test_changes_in_letta_are_found_without_being_asked_for(tmp_path: Path) -> None:
    async with facts_in(tmp_path) as facts:
        await facts.add(0)
        await facts.run_until_quiet()
        await facts.world.letta.add_passage(await facts.home(), "Robin has a boat.", [], NOON)
        facts.now += 100.0
        await facts.run()
        assert ("Robin has a boat.", FactSource.LETTA) in await facts.known()
