"""Rows of a person, their names and their sign-ins: the same on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.database_text import all_text
from voice_agent.contracts import AgentBinding, JobMetadata, RoomPolicy
from voice_agent.memory.facts.fact import UNDATED, Fact
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.person_in_letta import Held
from voice_agent.memory.threads import Threads
from voice_agent.registry.model import Person, Profile, Session, StoredPerson
from voice_agent.registry.sign_ins import ATTEMPT_FOR, SIGNED_IN_FOR, Attempt, SignIns, signed_in_user, user_of
from voice_agent.registry.store import SqlPeopleStore, SqlSessionStore
from voice_agent.rooms.deletion import PersonDeletions, Remaining
from voice_agent.rooms.person_rows import Caller
from voice_agent.rooms.policy import RoomKeyParts
from voice_agent.rooms.repository import RoomRepository
from voice_agent.storage import Database

ANNA = "browser:anna"
ADA = AgentBinding(agent_id="a1", letta_agent_id="agent-1", name="Ada")


async def test_a_name_is_kept_changed_and_removed(database: Database) -> None:
    store = SqlPeopleStore(database)
    nobody = Profile(ANNA, "", None, False, False)
    assert await store.profile(ANNA) == nobody
    assert not await store.is_known(ANNA)
    await store.set_name(ANNA, "Anna", 1.0)
    await store.set_name(ANNA, "Nan", 2.0)
    assert await store.profile(ANNA) == replace(nobody, user_name="Nan")
    assert await store.is_known(ANNA)
    await store.add(StoredPerson(ANNA, "hash", 3.0))
    assert await store.profile(ANNA) == Profile(ANNA, "Nan", 3.0, True, False)
    await store.revoke(ANNA, 4.0)
    await store.set_name(ANNA, "", 5.0)
    assert await store.profile(ANNA) == replace(nobody, known_since=3.0)


async def test_a_sign_in_counts_until_it_expires_and_an_attempt_once(database: Database) -> None:
    now = 1000.0
    sign_ins = SignIns(database, lambda: now)
    attempt = Attempt("state", "nonce", "verifier")
    browser, late = await sign_ins.begin(attempt), await sign_ins.begin(attempt)
    assert await sign_ins.take("unknown") is None
    assert await sign_ins.take(browser) == attempt
    assert await sign_ins.take(browser) is None
    person, secret = await sign_ins.open(signed_in_user("https://issuer", "anna"))
    assert user_of(person) == signed_in_user("https://issuer", "anna") != signed_in_user("https://issuer/a", "nna")
    assert await sign_ins.person(secret) == person
    assert secret not in await all_text(database)
    now += ATTEMPT_FOR + 1
    assert await sign_ins.take(late) is None
    now += SIGNED_IN_FOR
    assert await sign_ins.person(secret) is None
    _, again = await sign_ins.open("oidc-x")
    assert person not in await all_text(database), "old ones are removed"
    await sign_ins.close(again)
    assert await sign_ins.person(again) is None


async def _lives(database: Database, person: str, number: int) -> None:
    job = JobMetadata(room_name=f"va-{number}", session_id=f"s{number}", agent=ADA, person_id=person)
    repository = RoomRepository(database, lambda: 1.0)
    await repository.open(RoomPolicy.SESSION, RoomKeyParts(job.session_id, "a1", "", ""), job)
    of_room: Any = (job.room_name, f"human-{number}", "a1", "Ada", "agent-1", Person(), {}, 1.0, 1.0, None, person)
    await SqlSessionStore(database).add(Session(job.session_id, f"hash {number}", *of_room))
    turn = Turn(f"t{number}", f"a1/session:s{number}", f"s{number}", "agent-1", 1, "I sail.", person_id=person)
    await Threads(database).ensure(turn.thread, "agent-1")
    await Threads(database).set_conversation(turn.thread, f"conv-{number}")
    await Outbox(database).open_turn(turn)
    await FactStore(database).add(
        Fact(f"f{number}", "agent-1", person, "The user sails.", UNDATED, turn_id=f"t{number}")
    )
    await FactStore(database).forget(Owner("agent-1", person), [], [f"t{number}"], digests=["d"])


@pytest.mark.parametrize("person", [ANNA, "owner", "user:acme:anna", "session:s1"])
async def test_the_rows_of_a_person_go_and_no_others(database: Database, person: str) -> None:
    await _lives(database, person, 1)
    await _lives(database, "browser:ben", 2)
    deletions = PersonDeletions(database, lambda: 5.0)
    for _ in range(2):
        callers = await deletions.request(person)
    assert callers == [], "the second finds nobody"
    remaining = await deletions.delete_rows(person)
    held = Held(frozenset({"agent-1"}), conversations=frozenset({"conv-1"}))
    assert remaining == Remaining(held, frozenset({"va-1"}), frozenset({"a1/session:s1"}))
    assert await deletions.delete_rows(person) == remaining, "nothing of it is lost"
    assert [one.note for one in await deletions.pending()] == [""]
    assert await deletions.noted(person, "why")
    assert not await deletions.noted(person, "why")
    assert await deletions.finish(person)
    assert await deletions.pending() == []
    rows = await all_text(database)
    for gone in ("'f1'", "'t1'", "hash 1", "conv-1"):
        assert gone not in rows, gone
    for kept in ("'f2'", "'t2'", "hash 2", "conv-2", "browser:ben"):
        assert kept in rows, kept
    assert ("'owner'" in rows) is (person == "owner"), "the digests of what the owner forgot"


async def test_the_first_request_names_the_callers(database: Database) -> None:
    await _lives(database, ANNA, 1)
    assert await PersonDeletions(database).request(ANNA) == [Caller("va-1", "human-1", own_room=True)]


async def test_a_request_stays_while_something_is_written(database: Database) -> None:
    deletions = PersonDeletions(database)
    await deletions.request(ANNA)
    await deletions.delete_rows(ANNA)
    await Outbox(database).open_turn(Turn("t9", "thread", "s9", "agent-1", 1, "late", person_id=ANNA))
    assert not await deletions.finish(ANNA)
    await deletions.delete_rows(ANNA)
    assert await deletions.finish(ANNA)
