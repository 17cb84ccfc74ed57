"""Commands `voice-agent memory`: an assistant by name or id, and the facts about a person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from tests.support.letta_directory import LettaDirectoryServer
from voice_agent.cli import app
from voice_agent.contracts import Role
from voice_agent.errors import Code, VoiceAgentError
from voice_agent.memory.facts.fact import Fact, FactState
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.memory.facts.tables import vectors
from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.registry.model import AgentDraft
from voice_agent.registry.store import SqlAgentStore
from voice_agent.settings import Settings
from voice_agent.stack.memory_service import MemoryService, opened
from voice_agent.storage import Database, upgrade

OWNER = Owner("agent-1", "owner")
SAID_AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
async def database(control_settings: Settings, letta: LettaDirectoryServer) -> AsyncIterator[Database]:
    made = Database(control_settings.effective_database_url)
    await upgrade(made)
    yield made
    await made.close()


@pytest.fixture
async def memory_service(control_settings: Settings, database: Database) -> AsyncIterator[MemoryService]:
    async with opened(control_settings) as made:
        yield made


async def knows(database: Database, text: str, number: int = 1, person: str = "owner") -> Fact:
    fact = Fact(f"t{number}-0", "agent-1", person, text, SAID_AT, turn_id=f"t{number}")
    await FactStore(database).add(fact)
    return fact


async def parked_turn(database: Database) -> None:
    turn = Turn("t9", "thread", "s1", "agent-1", 1, "My cat is named Pepper.", person_id="owner")
    await Outbox(database).open_turn(turn)
    await Outbox(database).finish_turn(turn.turn_id, "Nice.", interrupted=False)
    await FactStore(database).not_learned("t9", "the model gave no JSON", park=True)


async def test_an_assistant_is_found_by_its_name_and_by_every_id(
    memory_service: MemoryService, database: Database
) -> None:
    assert await SqlAgentStore(database).add("va-1", AgentDraft("Marlow", "agent-1", "", Role.GENERAL, {}), 1.0)
    for word in ("Ada", "ada", " Ada ", "agent-1", "Marlow", "va-1"):
        assert await memory_service.letta_agent_id(word) == "agent-1", word


async def test_a_name_of_several_memories_is_refused_with_their_ids(
    memory_service: MemoryService, database: Database, letta: LettaDirectoryServer
) -> None:
    # The same name over the same memory is no question.
    await SqlAgentStore(database).add("va-1", AgentDraft("Ada", "agent-1", "", Role.GENERAL, {}), 1.0)
    assert await memory_service.letta_agent_id("Ada") == "agent-1"
    letta.add("agent-3", "Ada")
    with pytest.raises(VoiceAgentError, match="agent-1, agent-3, va-1") as refused:
        await memory_service.letta_agent_id("Ada")
    assert refused.value.code is Code.AGENT_AMBIGUOUS


@pytest.mark.parametrize("word", ["Nobody", "not an id", "agent-unknown", "../../etc", ""])
async def test_an_unknown_one_is_said_in_our_words(memory_service: MemoryService, word: str) -> None:
    with pytest.raises(VoiceAgentError, match="There is no assistant") as refused:
        await memory_service.letta_agent_id(word)
    assert refused.value.code is Code.AGENT_NOT_FOUND
    assert "malformed" not in str(refused.value)
    assert "Ada, Bert" in refused.value.remedy


async def test_show_works_by_id_while_letta_is_away(
    memory_service: MemoryService, database: Database, letta: LettaDirectoryServer
) -> None:
    await knows(database, "The user has a cat.")
    letta.away = True
    shown = "\n".join(await memory_service.show("agent-1", "owner"))
    assert "could not be read" in shown
    assert "The user has a cat." in shown


async def test_show_has_blocks_facts_and_what_is_not_remembered_yet(
    memory_service: MemoryService, database: Database
) -> None:
    await knows(database, "The user has a cat.")
    await knows(database, "The user sings.", number=2, person="browser:x")
    await parked_turn(database)
    shown = "\n".join(await memory_service.show("Ada", "owner"))
    for expected in (
        "[human]",
        "2026-11-02  The user has a cat.  (said, t1-0)",
        "Not remembered yet: 1 turns",
        "given up  'My cat is named Pepper.' the model gave no JSON",
    ):
        assert expected in shown, shown
    assert "sings" not in shown
    assert "The user sings." in "\n".join(await memory_service.show("Ada", "browser:x"))


async def test_search_says_what_would_be_brought_up_by_words_alone(
    memory_service: MemoryService, database: Database
) -> None:
    await knows(database, "The user's cat is named Pepper.")
    found = await memory_service.search("Ada", "owner", "What is my cat named?")
    assert "Pepper" in "\n".join(found), found


async def test_forget_by_id_by_words_and_only_of_this_person(memory_service: MemoryService, database: Database) -> None:
    store = FactStore(database)
    await knows(database, "The user has a cat.")
    await knows(database, "The user rides a bicycle.", number=2)
    await knows(database, "The user has a cat, too.", number=3, person="browser:x")
    assert [fact.fact_id for fact in await memory_service.find("Ada", "owner", "t2-0")] == ["t2-0"]
    assert await memory_service.find("Ada", "owner", "t3-0") == []
    found = await memory_service.find("Ada", "owner", "A CAT")
    assert [fact.fact_id for fact in found] == ["t1-0"]
    assert await memory_service.forget("Ada", "owner", ["t1-0"]) == 1
    assert [fact.text for fact in await store.known(OWNER)] == ["The user rides a bicycle."]
    others = await store.get("t3-0")
    assert others is not None
    assert others.state is FactState.KNOWN


async def test_rebuild_learns_again_but_not_what_was_forgotten(
    memory_service: MemoryService, database: Database
) -> None:
    await parked_turn(database)
    async with database.begin() as connection:
        await connection.execute(vectors.insert().values(model="m", text_hash="h", vector=b"x"))
    assert await memory_service.rebuild("Ada", "owner") == 1
    assert (await FactStore(database).standing(OWNER)).pending == 1
    async with database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(vectors)) == 0
    await FactStore(database).forget(OWNER, [], ["t9"])
    assert await memory_service.rebuild("Ada", "owner") == 0


def test_the_commands_are_there() -> None:
    shown = CliRunner().invoke(app, ["memory", "--help"]).output
    for command in ("show", "search", "forget", "rebuild", "pending", "resync"):
        assert command in shown
