"""Conversations of a person: listed, searched, read and deleted; on SQLite and on Postgres."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.support.database_text import all_text
from tests.support.fake_letta import FakeLetta
from voice_agent.contracts import MemoryScope
from voice_agent.memory import conversations
from voice_agent.memory.conversations import Conversation, Conversations
from voice_agent.memory.facts.fact import Fact, FactState
from voice_agent.memory.facts.forgetting import Forgetting
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.memory.model import Turn, TurnState
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.tables import turns
from voice_agent.memory.threads import Rewrite, Threads, conversation_key
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage import Database

ANNA = "browser:anna"
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


class World:
    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.outbox = Outbox(database)
        self.facts = FactStore(database)
        self.threads = Threads(database)
        self.conversations = Conversations(database)
        self.forgetting = Forgetting(database, FakeLetta(), ReconnectLog(home / "log.jsonl", "test"))
        self._number = 0

    async def say(
        self,
        session: str,
        words: str,
        answer: str = "I see.",
        *,
        minute: float = 0,
        person: str = ANNA,
        agent: str = "agent-1",
        episode: int = 1,
        scope: MemoryScope = MemoryScope.PERSONAL,
        finish: bool = True,
    ) -> str:
        self._number += 1
        turn_id = f"t{self._number}"
        thread = f"{agent}/session:{session}"
        turn = Turn(turn_id, thread, session, agent, episode, words, scope=scope, person_id=person)
        await self.threads.ensure(conversation_key(thread, person), agent)
        await self.outbox.open_turn(turn)
        async with self.database.begin() as connection:
            at = NOON + timedelta(minutes=minute)
            await connection.execute(update(turns).where(turns.c.turn_id == turn_id).values(created_at=at))
        if finish:
            await self.outbox.finish_turn(turn_id, answer, interrupted=False)
        return turn_id

    async def learn(self, turn_id: str, text: str, agent: str = "agent-1", person: str = ANNA) -> None:
        fact = Fact(f"{turn_id}-0", agent, person, text, NOON, turn_id=turn_id, said=text)
        await self.facts.learned(turn_id, Owner(agent, person), [fact], [])

    async def of(self, person: str = ANNA, search: str = "", before: int | None = None) -> list[Conversation]:
        return await self.conversations.of_person(person, 10, before, search)

    async def found(self, search: str, person: str = ANNA) -> list[str]:
        return [one.session_id for one in await self.of(person, search)]


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


async def test_the_last_used_comes_first_with_its_length_and_first_words(world: World) -> None:
    await world.say("s1", "I have a dog.", minute=0)
    await world.say("s1", "It is brown.", minute=3)
    await world.say("s2", "  Tell me\na story. ", minute=10)
    await world.say("s1", "I am back.", minute=60, episode=2)
    await world.say("s1", "Bye.", minute=61, episode=2)
    await world.say("s3", "I am Ben.", person="browser:ben")
    one, two = await world.of()
    assert (one.session_id, one.turns, one.lasted) == ("s1", 4, timedelta(minutes=4)), "without the hour between"
    assert (one.began_at, one.last_at) == (NOON, NOON + timedelta(minutes=61))
    assert (one.first_words, one.found) == ("I have a dog.", "")
    assert (two.session_id, two.first_words) == ("s2", "Tell me a story.")
    assert await world.conversations.one(ANNA, "s1") == one
    assert await world.conversations.one(ANNA, "s3") is None


async def test_the_list_goes_on_below_the_last_one(world: World) -> None:
    for number in range(25):
        await world.say(f"s{number}", f"I say {number}.")
    seen: list[str] = []
    page = await world.of()
    while page:
        seen += [one.session_id for one in page]
        page = await world.of(before=page[-1].place)
    assert seen == [f"s{number}" for number in reversed(range(25))]


async def test_a_search_finds_words_of_both_in_any_case_and_nobody_elses(world: World) -> None:
    await world.say("s1", "My dog is called Biscuit.", "A fine name.")
    await world.say("s1", "It likes the river.", "The Aare?")
    await world.say("s2", "I took 100% of the École_test.", "Très bien.")
    await world.say("s3", "My dog is called Bello.", person="browser:ben")
    assert await world.found("BISCUIT") == ["s1"]
    assert await world.found("aare dog") == ["s1"], "in different lines"
    assert await world.found("disc isc") == []
    assert await world.found("école") == ["s2"]
    assert await world.found("TRÈS") == ["s2"]
    assert await world.found("100%") == ["s2"], "a percent sign is itself"
    assert await world.found("0%0") == []
    assert await world.found("bello") == []
    assert await world.found("  ") == ["s2", "s1"]
    assert [one.found for one in await world.of(search="river")] == ["It likes the river."]
    assert [one.found for one in await world.of(search="aare")] == ["The Aare?"]


async def test_a_search_reads_a_bounded_number_of_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        await world.say(f"s{number}", f"The river, {number}.")
    monkeypatch.setattr(conversations, "SEARCHED", 2)
    assert await world.found("river") == ["s4", "s3"]
    assert len(await world.of()) == 5, "the list itself is whole"


async def test_in_a_room_of_several_everybody_has_what_they_said(world: World) -> None:
    await world.say("s1", "I am Anna.")
    await world.say("s1", "I am Ben.", person="browser:ben")
    assert [one.turns for one in await world.of()] == [1]
    assert [turn.user_text for turn in await world.conversations.turns(ANNA, "s1")] == ["I am Anna."]


async def test_a_deleted_conversation_is_nowhere_and_its_facts_are_forgotten(world: World) -> None:
    told = await world.say("s1", "My dog is called Biscuit.", "Biscuit, how nice.")
    await world.learn(told, "The user's dog is named Biscuit.")
    delivered = await world.say("s1", "Biscuit is three.")
    await world.outbox.mark([t for t in await world.outbox.of_session("s1") if t.turn_id == delivered], TurnState.DONE)
    await world.say("s1", "Biscuit sleeps.", scope=MemoryScope.READ_ONLY)
    elsewhere = await world.say("s2", "My cat is called Pepper.")
    await world.learn(elsewhere, "The user's cat is named Pepper.")
    await world.say("s1", "I am Ben.", person="browser:ben")
    going_on = await world.say("s1", "Biscuit barks.", finish=False)

    deleted = await world.forgetting.forget_conversation(ANNA, "s1")
    await world.outbox.finish_turn(going_on, "Biscuit should not.", interrupted=False)

    assert (deleted.turns, deleted.facts) == (4, 1)
    assert "Biscuit" not in await all_text(world.database)
    assert [one.session_id for one in await world.of()] == ["s2"]
    assert [fact.text for fact in await world.facts.known(Owner("agent-1", ANNA))] == [
        "The user's cat is named Pepper."
    ]
    assert [one.turns for one in await world.of("browser:ben")] == [1], "what Ben said is Ben's"
    key = conversation_key("agent-1/session:s1", ANNA)
    assert [row.rewrite for row in await world.threads.to_rewrite() if row.key == key] == [Rewrite.WHOLE]
    assert await world.outbox.waiting("agent-1") == [
        turn for turn in await world.outbox.waiting("agent-1") if turn.session_id == "s2" or turn.person_id != ANNA
    ], "nothing of it is on its way to Letta"


async def test_a_fact_that_was_corrected_elsewhere_stays_corrected(world: World) -> None:
    old = await world.say("s1", "My dog is three.")
    await world.learn(old, "The user's dog is three years old.")
    new = await world.say("s2", "It is four now.")
    owner = Owner("agent-1", ANNA)
    fact = Fact(
        f"{new}-0", "agent-1", ANNA, "The user's dog is four years old.", NOON, turn_id=new, replaces=f"{old}-0"
    )
    await world.facts.learned(new, owner, [fact], [f"{old}-0"])
    assert (await world.forgetting.forget_conversation(ANNA, "s1")).facts == 1
    assert [one.text for one in await world.facts.known(owner)] == ["The user's dog is four years old."]
    forgotten = await world.facts.get(f"{old}-0")
    assert forgotten is not None
    assert (forgotten.state, forgotten.text) == (FactState.FORGOTTEN, "")


async def test_what_two_assistants_heard_in_it_goes_together(world: World) -> None:
    for agent in ("agent-1", "agent-2"):
        told = await world.say("s1", "I sail.", agent=agent)
        await world.learn(told, "The user sails.", agent)
    deleted = await world.forgetting.forget_conversation(ANNA, "s1")
    assert (deleted.turns, deleted.facts) == (2, 2)
    assert await world.of() == []
    assert (await world.forgetting.forget_conversation(ANNA, "unknown")).turns == 0
