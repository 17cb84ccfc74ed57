"""Registry stores: agents, sessions and people, the same on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from voice_agent.contracts import Role
from voice_agent.registry.model import AgentDraft, Person, Session, StoredPerson
from voice_agent.registry.people import People
from voice_agent.registry.store import SqlAgentStore, SqlOwnMemoryStore, SqlPeopleStore, SqlSessionStore
from voice_agent.storage import Database

DRAFT = AgentDraft("Ada", "agent-1", "of the register", Role.CUSTOMER, {"providers": {"tts": {"voice": "x"}}, "a": [1]})
SESSION = Session(
    "s1", "hash", "room-1", "human-1", "va-1", "Ada", "agent-1", Person(user_name="Ann"), {"a": 1}, 1.0, 1.0
)


async def test_a_saved_agent_comes_back_as_it_was(database: Database) -> None:
    store = SqlAgentStore(database)
    added = await store.add("va-1", DRAFT, 10.0)
    assert added is not None
    assert added.config == DRAFT.config
    assert await store.get("va-1") == added
    assert await store.list() == [added]


async def test_only_the_current_version_can_be_replaced(database: Database) -> None:
    store = SqlAgentStore(database)
    await store.add("va-1", DRAFT, 10.0)
    changed = await store.replace("va-1", replace(DRAFT, name="Bea"), 1, 20.0)
    assert changed is not None
    assert (changed.name, changed.version, changed.created_at, changed.updated_at) == ("Bea", 2, 10.0, 20.0)
    assert await store.replace("va-1", replace(DRAFT, name="Cleo"), 1, 30.0) is None


async def test_of_many_who_replace_the_same_version_one_succeeds(database: Database) -> None:
    store = SqlAgentStore(database)
    await store.add("va-1", DRAFT, 10.0)
    tries = (store.replace("va-1", replace(DRAFT, name=f"n{i}"), 1, 20.0) for i in range(8))
    assert sum(done is not None for done in await asyncio.gather(*tries)) == 1


async def test_a_removed_agent_is_gone_but_its_id_stays_taken(database: Database) -> None:
    store = SqlAgentStore(database)
    await store.add("va-1", DRAFT, 10.0)
    assert not await store.remove("va-1", 7, 20.0)
    assert await store.remove("va-1", 1, 20.0)
    assert not await store.remove("va-1", None, 20.0)
    assert await store.get("va-1") is None
    assert await store.list() == []


async def test_letta_agents_that_somebody_met_are_known_by_their_newest_name(database: Database) -> None:
    sessions = SqlSessionStore(database)
    met = [("s1", "agent-1", "Ada", 1.0), ("s2", "agent-1", "Ada L.", 2.0), ("s3", "agent-2", "Bob", 1.0)]
    for number, agent, name, at in met:
        named = replace(SESSION, id=number, secret_hash=number, agent_id=agent, agent_name=name, letta_agent_id=agent)
        await sessions.add(replace(named, created_at=at))
    await sessions.add(replace(SESSION, id="s4"))
    store = SqlAgentStore(database)
    assert [(agent.id, agent.name) for agent in await store.met()] == [("agent-1", "Ada L."), ("agent-2", "Bob")]
    assert [agent.id for agent in await store.met("agent-2")] == ["agent-2"]
    assert await store.met("va-1") == []


async def test_an_id_is_taken_for_good(database: Database) -> None:
    store = SqlAgentStore(database)
    assert not await store.is_taken("va-1")
    await store.add("va-1", DRAFT, 10.0)
    assert await store.add("va-1", replace(DRAFT, name="Bea"), 20.0) is None
    await store.remove("va-1", None, 30.0)
    assert await store.is_taken("va-1")
    assert await store.add("va-1", DRAFT, 40.0) is None


async def test_of_the_memories_that_are_made_for_one_assistant_the_first_stays(database: Database) -> None:
    store, memories = SqlAgentStore(database), SqlOwnMemoryStore(database)
    assert (await memories.begin("va-1", 1.0)).letta_agent_id is None
    assert await memories.settle("va-1", "agent-1") == "agent-1"
    assert await memories.settle("va-1", "agent-2") == "agent-1"
    assert (await memories.begin("va-1", 2.0)).letta_agent_id == "agent-1"
    assert await memories.assistants() == {"va-1"}
    added = await store.add("va-1", DRAFT, 3.0)
    assert added is not None
    assert added.own_memory
    assert (await store.list()) == [added]
    shared = await store.replace("va-1", replace(DRAFT, letta_agent_id="agent-9"), 1, 4.0)
    assert shared is not None
    assert not shared.own_memory
    await memories.lost("va-1", "agent-2")
    assert (await memories.begin("va-1", 5.0)).letta_agent_id == "agent-1"
    await memories.lost("va-1", "agent-1")
    assert (await memories.begin("va-1", 5.0)).letta_agent_id is None


async def test_a_memory_is_kept_or_leaves_with_its_assistant(database: Database) -> None:
    store, memories = SqlAgentStore(database), SqlOwnMemoryStore(database)
    for number in ("va-kept", "va-gone", "va-alive", "va-never-saved"):
        await memories.begin(number, 10.0)
        await memories.settle(number, f"agent-of-{number}")
        if number != "va-never-saved":
            await store.add(number, replace(DRAFT, letta_agent_id=f"agent-of-{number}"), 10.0)
    await memories.begin("va-begun", 20.0)
    assert await store.remove("va-kept", None, 30.0)
    assert not await store.remove("va-gone", 7, 30.0, forget=True)
    assert await memories.leaving() == []
    assert await store.remove("va-gone", 1, 30.0, forget=True)
    await memories.abandon(15.0, 40.0)
    leaving = await memories.leaving()
    assert [memory.agent_id for memory in leaving] == ["va-gone", "va-never-saved"]
    assert await memories.settle("va-gone", "agent-2") is None
    assert (await memories.begin("va-gone", 50.0)).leaving
    for memory in leaving:
        await memories.gone(memory.agent_id)
    await memories.gone("va-alive")
    assert await memories.assistants() == {"va-alive", "va-begun"}


async def test_names_may_repeat(database: Database) -> None:
    store = SqlAgentStore(database)
    for number in range(3):
        await store.add(f"va-{number}", DRAFT, 10.0)
    assert [agent.name for agent in await store.list()] == ["Ada"] * 3


async def test_a_session_comes_back_as_it_was_and_ends_once(database: Database) -> None:
    store = SqlSessionStore(database)
    await store.add(SESSION)
    await store.touch("s1", 5.0)
    assert await store.get("s1") == replace(SESSION, last_human_at=5.0)
    assert await store.end("s1", 6.0)
    assert not await store.end("s1", 7.0)
    await store.touch("s1", 8.0)
    assert await store.get("s1") == replace(SESSION, last_human_at=5.0, ended_at=6.0)


async def test_ended_and_unknown_sessions_are_over(database: Database) -> None:
    store = SqlSessionStore(database)
    for number in ("s1", "s2"):
        await store.add(replace(SESSION, id=number, secret_hash=number))
    await store.end("s2", 6.0)
    assert await store.over({"s1", "s2", "s3"}) == {"s2", "s3"}
    assert await store.over({"s1"}) == frozenset()


async def test_another_agent_in_a_session(database: Database) -> None:
    store = SqlSessionStore(database)
    await store.add(SESSION)
    other = replace(SESSION, agent_id="a2", agent_name="Two", letta_agent_id="l2", config={"greeting": "Hi"})
    await store.rebind(replace(other, room_name="is not changed by this"))
    assert await store.get("s1") == other


async def test_sessions_are_listed_newest_first_and_in_pages(database: Database) -> None:
    store = SqlSessionStore(database)
    for number in range(5):
        await store.add(replace(SESSION, id=f"s{number}", created_at=float(number)))
    assert [s.id for s in await store.list(limit=2, before=None)] == ["s4", "s3"]
    assert [s.id for s in await store.list(limit=2, before=3.0)] == ["s2", "s1"]


async def test_a_session_gets_a_person_once(database: Database) -> None:
    store = SqlSessionStore(database)
    await store.add(SESSION)
    await store.assign("s1", "browser:x")
    await store.assign("s1", "browser:y")
    assert await store.get("s1") == replace(SESSION, person_id="browser:x")
    await store.add(replace(SESSION, id="s2", person_id="owner"))
    assert await store.get("s2") == replace(SESSION, id="s2", person_id="owner")


async def test_a_person_is_found_by_the_hash_of_their_key_until_it_is_revoked(database: Database) -> None:
    store = SqlPeopleStore(database)
    person = StoredPerson("browser:x", "hash", 1.0)
    await store.add(person)
    assert await store.by_key_hash("hash") == person
    assert await store.by_key_hash("other") is None
    assert await store.revoke("browser:x", 2.0)
    assert not await store.revoke("browser:x", 3.0)
    assert not await store.revoke("browser:y", 3.0)
    assert await store.by_key_hash("hash") == replace(person, revoked_at=2.0)


async def test_no_two_people_have_one_key(database: Database) -> None:
    store = SqlPeopleStore(database)
    await store.add(StoredPerson("browser:x", "hash", 1.0))
    with pytest.raises(IntegrityError):
        await store.add(StoredPerson("browser:y", "hash", 1.0))


async def test_keys_open_in_the_database_what_they_are_for(database: Database) -> None:
    people = People(SqlPeopleStore(database), lambda: 1.0)
    first, second = await people.issue(), await people.issue()
    assert await people.resolve(first.key) == first.person_id != second.person_id
    assert await people.revoke(first.person_id)
    assert await people.resolve(first.key) is None
    assert await people.resolve(second.key) == second.person_id
