"""Forgetting: what was forgotten is nowhere any more, and does not come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from tests.support.database_text import all_text
from tests.support.fake_letta import Mishap
from tests.support.memory_world import MemoryWorld
from voice_agent.memory.facts.archive import Archive
from voice_agent.memory.facts.fact import Fact, FactState
from voice_agent.memory.facts.forgetting import Forgetting, meant, with_their_like
from voice_agent.memory.facts.learner import Learner
from voice_agent.memory.facts.retelling import signs
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.memory.facts.wishes import ForgetWish, carry_out
from voice_agent.memory.model import Block, Snapshot, TurnState
from voice_agent.memory.snapshots import Snapshots
from voice_agent.memory.tables import turns

ROBIN = "user:robin"
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


class Echo:
    """Proposes what it is told to, whatever was said."""

    def __init__(self, *facts: str) -> None:
        self.facts = list(facts)

    async def propose(self, statement: str, before: str = "") -> list[str]:
        return self.facts


class Person:
    def __init__(self, world: MemoryWorld, person: str) -> None:
        self.world, self.person = world, person
        self.owner = Owner(world.agent, person)
        self.store = FactStore(world.database)
        self.forgetting = Forgetting(world.database, world.letta, world.log)
        self.restart()
        self.number = 0

    def restart(self) -> None:
        """Another process: it knows nothing but the tables."""
        world = self.world
        self.archive = Archive(self.store, world.homes, world.letta, world.log, clock=lambda: world.now)

    async def says(self, text: str, answer: str = "I see.", *facts: str, finish: bool = True) -> str:
        turn = replace(self.world.turn(self.number, person=self.person), user_text=text)
        self.number += 1
        await self.world.outbox.open_turn(turn)
        if finish:
            await self.world.outbox.finish_turn(turn.turn_id, answer, interrupted=False)
            await Learner(self.world.database, Echo(*facts), self.world.log).run_due()
        return turn.turn_id

    async def quiet(self) -> None:
        """Everything that the memory worker does, until nothing is left to do."""
        for _ in range(6):
            self.world.now += 61.0
            await self.world.drainer.drain_once()
            await self.archive.run_due()
            await self.world.rewriter.run_due()
        assert await self.world.outbox.threads_with_work() == []
        assert await self.world.threads.to_rewrite() == []

    async def known(self) -> list[str]:
        return [fact.text for fact in await self.store.known(self.owner)]

    async def forget(self, what: str) -> int:
        return (await carry_out(self.forgetting, self.owner, ForgetWish(what))).forgotten

    def held(self) -> str:
        """Everything that is in Letta."""
        letta = self.world.letta
        return repr((letta.agents, letta.conversations, letta.compiled, letta.archive, letta.written))


@asynccontextmanager
async def person_in(directory: Path, person: str = ROBIN) -> AsyncIterator[Person]:
    async with MemoryWorld.open(directory) as world:
        yield Person(world, person)


def fact(number: int, text: str, **more: object) -> Fact:
    return replace(Fact(f"f{number}", "agent", ROBIN, text, NOON), **more)  # type: ignore[arg-type]


# --- which facts, which turns ---


def test_a_description_means_the_facts_that_hold_most_of_its_words() -> None:
    named, old = fact(0, "The user's dog is named Biscuit."), fact(1, "The user's dog Biscuit is four.")
    lives, likes = fact(2, "The user's sister Clara lives in Norway."), fact(3, "The user's sister Clara likes tea.")
    known = [named, old, lives, likes]
    assert meant("my dog's name", known) == [named]
    assert {one.fact_id for one in meant("clara", known)} == {"f2", "f3"}
    assert meant("my sister clara lives in norway", known) == [lives]
    assert meant("the weather", known) == []
    assert meant("", known) == []


def test_what_a_fact_replaced_and_what_says_the_same_goes_with_it() -> None:
    every = [
        fact(0, "The user lives in Oslo.", state=FactState.REPLACED),
        fact(1, "The user lives in Bergen.", state=FactState.REPLACED, replaces="f0"),
        fact(2, "The user lives in Porto.", replaces="f1"),
        fact(3, "The user lives in Porto by the sea."),
        fact(4, "The user likes tea."),
    ]
    assert [one.fact_id for one in with_their_like(["f2"], every)] == ["f0", "f1", "f2", "f3"]


@pytest.mark.parametrize(
    ("text", "said", "elsewhere", "told", "other"),
    [
        ("The user's dog is named Biscuit.", "", [], "I walked with Biscuit.", "I walked with my dog."),
        ("Leo is four.", "", [], "Leo has turned 4!", "I have four chairs."),
        ("The user's dog is named Biscuit.", "", ["Biscuit is four."], "My dog is Biscuit.", "Biscuit sleeps."),
        ("The user hates early mornings.", "", [], "Mornings, early ones: I hate them.", "Good morning."),
        ("The user met Ida on 25 November 2026.", "I met Ida yesterday.", [], "Ida came.", "It is November 25, 2026."),
    ],
)
def test_a_fact_is_recognised_in_other_words(text: str, said: str, elsewhere: list[str], told: str, other: str) -> None:
    found = signs(text, said, elsewhere)
    assert found.told_in(told)
    assert not found.told_in(other)


# --- everywhere ---


@pytest.mark.parametrize("person", [ROBIN, "owner"])
async def test_the_canary_is_nowhere_and_does_not_come_back(tmp_path: Path, person: str) -> None:
    async with person_in(tmp_path, person) as robin:
        world = robin.world
        await robin.says("My canary is called Zerlina.", "Zerlina!", "The user's canary is called Zerlina.")
        await robin.says("I live in Porto.", "A nice town.", "The user lives in Porto.")
        await robin.says("What is my canary called?", "It is called Zerlina.")
        await robin.quiet()
        home = await world.homes.ensure(world.agent, person)
        await world.letta.add_passage(home, "Zerlina is the name of a canary.", (), NOON)
        await Snapshots(world.database).keep(Snapshot(home, "Ada", (Block("facts", "- Zerlina"),), NOON))
        backup = [passage for passage in await world.letta.passages(home) if "Zerlina" in passage.text]
        assert "Zerlina" in robin.held()
        assert "Zerlina" in await all_text(world.database)

        wish = await robin.says("Forget what I told you about my canary Zerlina.", "It is forgotten.")
        assert await robin.forget("my canary zerlina") == 1
        assert "zerlina" not in (await all_text(world.database)).lower()
        await robin.quiet()
        assert "zerlina" not in robin.held().lower()
        assert await robin.known() == ["The user lives in Porto."]
        assert [text for _, _, text in world.said()] == ["I live in Porto.", "A nice town."]
        assert wish in await robin.store.forgotten_among([wish])

        # rebuilt, restored, read back: nothing brings it back
        await robin.store.learn_again(robin.owner, everything=True)
        zerlina = Echo("The user's canary is called Zerlina.")
        await Learner(world.database, zerlina, world.log).run_due()
        for passage in backup:
            await world.letta.add_passage(home, passage.text, passage.tags, passage.created_at)
        lost = next(p for p in backup if p.tags)
        await world.letta.add_passage(home, lost.text, (), NOON)
        await world.letta.add_passage(home, lost.text, ("va:fact:of-an-older-copy", "va:turn:t0"), NOON)
        robin.restart()
        await robin.quiet()
        assert "zerlina" not in (await all_text(world.database)).lower()
        assert [p.text for p in await world.letta.passages(home) if "canary is called" in p.text] == []
        assert await robin.known() == ["The user lives in Porto."]


async def test_everything_goes_also_what_was_no_fact(tmp_path: Path) -> None:
    async with person_in(tmp_path) as robin, person_in(tmp_path / "other"):
        await robin.says("My canary is called Zerlina.", "Ah.", "The user's canary is called Zerlina.")
        await robin.says("I laughed.")
        await robin.quiet()
        home = await robin.world.homes.ensure(robin.world.agent, ROBIN)
        outcome = await carry_out(robin.forgetting, robin.owner, ForgetWish("", everything=True))
        assert outcome.forgotten == 1
        await robin.quiet()
        assert home not in robin.world.letta.agents
        assert "zerlina" not in robin.held().lower()
        assert "laughed" not in await all_text(robin.world.database)


async def test_what_was_told_beside_it_keeps_its_fact_and_loses_the_words(tmp_path: Path) -> None:
    async with person_in(tmp_path) as robin:
        facts = ("The user's canary is called Zerlina.", "The user's dog is called Rex.")
        await robin.says("My canary is called Zerlina, my dog is called Rex.", "Ah.", *facts)
        await robin.quiet()
        await robin.forget("my canary Zerlina")
        await robin.quiet()
        assert await robin.known() == ["The user's dog is called Rex."]
        assert "zerlina" not in (await all_text(robin.world.database)).lower()


async def test_another_person_keeps_what_they_said(tmp_path: Path) -> None:
    async with person_in(tmp_path) as robin:
        await robin.says("My canary is called Zerlina.", "Ah.", "The user's canary is called Zerlina.")
        kim = Person(robin.world, "user:kim")
        kim.number = 100
        await kim.says("My canary is called Zerlina.", "Ah.", "The user's canary is called Zerlina.")
        await robin.forget("zerlina")
        await robin.quiet()
        assert await kim.known() == ["The user's canary is called Zerlina."]
        assert [text for _, role, text in robin.world.said() if role == "user"] == ["My canary is called Zerlina."]


async def test_what_waits_reaches_letta_without_its_text(tmp_path: Path) -> None:
    async with person_in(tmp_path) as robin:
        await robin.says("Hello.")
        await robin.quiet()
        said = "My canary is called Zerlina."
        await robin.says(said, "Ah.", "The user's canary is called Zerlina.")
        robin.world.letta.mishaps = [Mishap.LOST_ANSWER]
        await robin.world.drainer.drain_once()  # Letta holds it, and we do not know it
        await robin.says("Zerlina sings.", "Does she?")
        opened = await robin.says("Is Zerlina a nice name?", finish=False)
        await robin.forget("zerlina")
        await robin.world.outbox.plan_answer(opened, "Zerlina is nice.")
        await robin.world.outbox.finish_turn(opened, "Zerlina is nice.", interrupted=False)
        await robin.quiet()
        assert "zerlina" not in robin.held().lower()
        assert "zerlina" not in (await all_text(robin.world.database)).lower()
        assert [text for _, _, text in robin.world.said()] == ["Hello.", "I see."]
        assert len(robin.world.letta.conversations) == 1


async def test_a_turn_that_is_brought_back_from_a_copy_stays_empty(tmp_path: Path) -> None:
    async with person_in(tmp_path) as robin:
        turn_id = await robin.says("My canary is called Zerlina.", "Ah.", "The user's canary is called Zerlina.")
        await robin.forget("zerlina")
        [turn] = await robin.world.outbox.of_session("session")
        assert turn.state is TurnState.KEPT
        async with robin.world.database.begin() as connection:
            await connection.execute(delete(turns))
        await robin.world.outbox.open_turn(replace(turn, user_text="My canary is called Zerlina."))
        await robin.world.outbox.finish_turn(turn_id, "Zerlina!", interrupted=False)
        await Learner(robin.world.database, Echo("The user likes Zerlina."), robin.world.log).run_due()
        await robin.quiet()
        assert "zerlina" not in (await all_text(robin.world.database) + robin.held()).lower()


async def test_nothing_is_learned_from_a_wish_to_forget(tmp_path: Path) -> None:
    async with person_in(tmp_path) as robin:
        await robin.says("Forget that my canary is called Zerlina.", "Ah.", "The user's canary is called Zerlina.")
        assert await robin.known() == []


# --- a conversation written anew, whatever dies on the way ---


class Death(Exception):
    """The process is killed here."""


def _dies_after(world: MemoryWorld, calls: int) -> None:
    """Of the calls to Letta: the one with this number is done, and nobody learns of it."""
    left = calls
    for name in ("create_conversation", "record", "delete_conversation", "recompile_all", "delete_passage"):
        real = getattr(type(world.letta), name)

        async def call(*given: object, _real: object = real) -> object:
            nonlocal left
            left -= 1
            result = await _real(world.letta, *given)  # type: ignore[operator]
            if left == 0:
                raise Death
            return result

        setattr(world.letta, name, call)


async def _die_and_go_on(directory: Path, deaths: list[int]) -> None:
    async with person_in(directory) as robin:
        world = robin.world
        spoken = []
        for number in range(4):
            spoken.append(f"I saw house {number}.")
            await robin.says(spoken[-1], "")
        await robin.says("My canary is called Zerlina.", "Ah.", "The user's canary is called Zerlina.")
        await robin.quiet()
        await robin.forget("zerlina")
        for death in deaths:
            _dies_after(world, death)
            with suppress(Death, AssertionError):
                await robin.quiet()
            robin.restart()
        _dies_after(world, 0)
        await robin.quiet()
        assert [text for _, _, text in world.said()] == spoken
        conversations = [held for held in world.letta.conversations.values() if held]
        assert len(conversations) == 1
        assert "zerlina" not in robin.held().lower()


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(1, 6), max_size=4))
def test_killed_anywhere_one_complete_conversation_is_left(deaths: list[int]) -> None:
    with TemporaryDirectory() as directory:
        asyncio.run(_die_and_go_on(Path(directory), deaths))


async def test_two_wishes_on_one_conversation_leave_one(tmp_path: Path) -> None:
    async with person_in(tmp_path) as robin:
        await robin.says("My canary is called Zerlina.", "Ah.", "The user's canary is called Zerlina.")
        await robin.says("I live in Porto.", "Ah.", "The user lives in Porto.")
        await robin.says("I like tea.", "")
        await robin.quiet()
        await robin.forget("zerlina")
        await robin.world.rewriter.run_due()
        await robin.forget("porto")
        await robin.quiet()
        assert [text for _, _, text in robin.world.said()] == ["I like tea."]
        assert len(robin.world.letta.conversations) == 1
