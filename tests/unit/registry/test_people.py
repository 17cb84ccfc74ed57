"""People registry: precedence of the evidence, quoting of ids, browser keys."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.contracts import PERSON_ID_CHARS
from voice_agent.errors import Code, Temporary
from voice_agent.registry.model import Profile, StoredPerson
from voice_agent.registry.people import (
    OWNER,
    Credentials,
    Evidence,
    People,
    PersonKind,
    kind_of,
    outlives_session,
    person_of,
    user_person,
)

EVERYTHING = Evidence("s1", "b1", "anna", "browser:x", local_owner=True)
IDS = st.text("ab:%@._-", max_size=128)


@pytest.mark.parametrize(
    ("evidence", "person"),
    [
        (EVERYTHING, "user:b1:anna"),
        (replace(EVERYTHING, business_id=""), "user::anna"),
        (replace(EVERYTHING, user_id=""), "browser:x"),
        (replace(EVERYTHING, user_id="", browser_person=""), "owner"),
        (replace(EVERYTHING, user_id="", browser_person="", local_owner=False), "session:s1"),
        (Evidence("s1", business_id="b1"), "session:s1"),
    ],
)
def test_the_first_that_knows_the_person_decides(evidence: Evidence, person: str) -> None:
    assert person_of(evidence) == person


@given(IDS, IDS, IDS, IDS)
def test_no_two_users_are_one_person(business: str, user: str, other_business: str, other_user: str) -> None:
    same = (business, user) == (other_business, other_user)
    one, other = user_person(business, user), user_person(other_business, other_user)
    assert (one == other) is same
    assert kind_of(one) is PersonKind.USER


@given(IDS)
def test_where_the_business_ends_is_part_of_the_id(ids: str) -> None:
    parts = [(ids[:cut], ids[cut:]) for cut in range(len(ids) + 1)]
    assert len({user_person(*pair) for pair in parts}) == len(parts)


@given(st.text(":", min_size=100, max_size=128), st.text(":%", min_size=100, max_size=128))
def test_the_longest_ids_fit(business: str, user: str) -> None:
    assert len(user_person(business, user)) <= PERSON_ID_CHARS
    assert user_person(business, user) != user_person(business, f"{user}x")


def test_only_a_session_ends_with_the_session() -> None:
    people = {"user:b:u": True, "browser:x": True, OWNER: True, "session:s": False, "": False}
    assert {person: outlives_session(person) for person in people} == people


class Shelf:
    """A store in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, StoredPerson] = {}
        self.names: dict[str, str] = {}
        self.going: set[str] = set()

    async def add(self, person: StoredPerson) -> None:
        self.rows[person.person_id] = person

    async def by_key_hash(self, key_hash: str) -> StoredPerson | None:
        return next((row for row in self.rows.values() if row.key_hash == key_hash), None)

    async def revoke(self, person_id: str, now: float) -> bool:
        row = self.rows.get(person_id)
        if row is None or row.revoked_at is not None:
            return False
        self.rows[person_id] = replace(row, revoked_at=now)
        return True

    async def profile(self, person_id: str) -> Profile:
        row = self.rows.get(person_id)
        has_key = row is not None and row.revoked_at is None
        known_since = row.created_at if row else None
        return Profile(person_id, self.names.get(person_id, ""), known_since, has_key, person_id in self.going)

    async def set_name(self, person_id: str, user_name: str, now: float) -> None:
        self.names[person_id] = user_name

    async def is_known(self, person_id: str) -> bool:
        return person_id in self.rows or person_id in self.names


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def people(shelf: Shelf) -> People:
    return People(shelf, lambda: 1.0)


async def test_of_a_key_only_the_hash_is_stored(people: People, shelf: Shelf) -> None:
    issued = await people.issue()
    assert len(issued.key) >= 43, "256 bits"
    assert shelf.rows[issued.person_id].key_hash == hashlib.sha256(issued.key.encode()).hexdigest()
    assert issued.key not in repr(shelf.rows)
    assert await people.resolve(issued.key) == issued.person_id
    for wrong in ("", "x", issued.key[:-1], issued.person_id, shelf.rows[issued.person_id].key_hash):
        assert await people.resolve(wrong) is None


async def test_a_revoked_key_is_answered_like_an_unknown_one(people: People) -> None:
    issued = await people.issue()
    assert await people.revoke(issued.person_id)
    assert not await people.revoke(issued.person_id)
    assert await people.resolve(issued.key) is None


STRANGER = Credentials(takes_key=True)
HERE = Credentials(takes_key=True, local_owner=True)


async def test_a_known_key_is_enough_and_a_user_needs_none(people: People) -> None:
    issued = await people.issue()
    for brought in (STRANGER, HERE):
        who = await people.identify(replace(brought, browser_key=issued.key), "s1")
        assert (who.person_id, who.new_key, who.notice) == (issued.person_id, "", None)
        who = await people.identify(replace(brought, browser_key="unknown", business_id="b", user_id="u"), "s1")
        assert (who.person_id, who.new_key, who.notice) == ("user:b:u", "", None)


async def test_who_has_nothing_gets_a_key_unless_they_are_the_owner(people: People) -> None:
    assert await people.identify(HERE, "s1") == await people.identify(replace(HERE, takes_key=False), "s2")
    who = await people.identify(STRANGER, "s1")
    assert kind_of(who.person_id) is PersonKind.BROWSER
    assert await people.resolve(who.new_key) == who.person_id
    assert who.notice is None
    assert (await people.identify(replace(STRANGER, takes_key=False), "s1")).person_id == "session:s1"


@pytest.mark.parametrize("brought", [STRANGER, HERE])
async def test_an_unknown_key_is_replaced_and_makes_nobody_the_owner(people: People, brought: Credentials) -> None:
    who = await people.identify(replace(brought, browser_key="unknown"), "s1")
    assert kind_of(who.person_id) is PersonKind.BROWSER
    assert await people.resolve(who.new_key) == who.person_id
    assert who.notice is not None
    assert who.notice.code is Code.BROWSER_KEY_UNKNOWN
    bare = await people.identify(replace(brought, browser_key="unknown", takes_key=False), "s1")
    assert (bare.person_id, bare.new_key) == ("session:s1", "")


async def test_who_is_being_deleted_is_not_let_in(people: People, shelf: Shelf) -> None:
    assert (await people.rename("owner", "Robin")).user_name == "Robin"
    assert (await people.welcome("owner")).user_name == "Robin"
    shelf.going.add("owner")
    with pytest.raises(Temporary) as refused:
        await people.welcome("owner")
    assert refused.value.code is Code.DELETION_PENDING
