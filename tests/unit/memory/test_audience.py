"""Audiences: the whole table of who hears what, for every kind of person and room."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from voice_agent.contracts import PERSONAL_LABELS, AgentBinding, Audience, JobMetadata, RoomPolicy
from voice_agent.memory import homes
from voice_agent.memory.audience import NOBODY, Listener, Rank, has_memory, heard_by_everyone
from voice_agent.memory.model import FACTS, HUMAN, Block, Snapshot
from voice_agent.registry import people
from voice_agent.registry.config import AgentConfig

OWNER, USER, BROWSER, SESSION, NAMELESS = "owner", "user:b:anna", "browser:1", "session:s", ""
EVERYBODY = (OWNER, USER, BROWSER, SESSION, NAMELESS)
TOLD = {
    "menu": Audience.EVERYONE,
    "desk": Audience.KNOWN,
    "diary": Audience.OWNER,
    "persona": Audience.KNOWN,
    "task": Audience.OWNER,
}
HEARD = {
    # label: who hears it by default, and who when the configuration says TOLD
    "persona": (EVERYBODY, (OWNER, USER)),
    "task": (EVERYBODY, (OWNER,)),
    "human": ((OWNER,), (OWNER,)),
    "facts": ((OWNER,), (OWNER,)),
    "files": ((OWNER,), (OWNER,)),
    "menu": ((OWNER,), EVERYBODY),
    "desk": ((OWNER,), (OWNER, USER)),
    "diary": ((OWNER,), (OWNER,)),
    "plans": ((OWNER,), (OWNER,)),
    "Persona": ((OWNER,), (OWNER,)),
    "": ((OWNER,), (OWNER,)),
}


@pytest.mark.parametrize("label", HEARD)
@pytest.mark.parametrize("person", EVERYBODY)
def test_the_table(label: str, person: str) -> None:
    by_default, told = HEARD[label]
    assert Listener.of(person, {}).hears(label) is (person in by_default)
    assert Listener.of(person, TOLD).hears(label) is (person in told)


@pytest.mark.parametrize(
    "person", ["session", "ownership", "owner ", "OWNER", "nobody:owner", "browser:owner", " user:b"]
)
def test_who_only_looks_like_somebody_is_a_stranger(person: str) -> None:
    assert Listener.of(person, {}).rank is Rank.STRANGER


def test_the_words_are_those_of_the_registry() -> None:
    ranks = {
        people.PersonKind.OWNER: Rank.OWNER,
        people.PersonKind.USER: Rank.KNOWN,
        people.PersonKind.BROWSER: Rank.STRANGER,
        people.PersonKind.SESSION: Rank.STRANGER,
    }
    for kind in people.PersonKind:
        person = kind if kind is people.PersonKind.OWNER else f"{kind}:x"
        assert Listener.of(person, {}).rank is ranks[kind]
        assert has_memory(person) is people.outlives_session(person)
    assert not has_memory("")
    assert homes.OWNER == people.OWNER
    assert frozenset((HUMAN, FACTS)) == PERSONAL_LABELS


@pytest.mark.parametrize("label", sorted(PERSONAL_LABELS))
def test_nobody_can_open_what_is_about_one_person(label: str) -> None:
    for who in (Audience.EVERYONE, Audience.KNOWN):
        assert not Listener.of(USER, {label: who}).hears(label), "whatever was saved"
        with pytest.raises(ValidationError, match="about one person"):
            AgentConfig.model_validate({"audience": {label: who}})
    AgentConfig.model_validate({"audience": {label: "owner"}})


def test_an_audience_is_kept_with_the_configuration() -> None:
    config = AgentConfig.model_validate({"audience": {"menu": "everyone"}})
    assert config.document() == {"audience": {"menu": "everyone"}}
    for wrong in ({"menu": "friends"}, {"": "owner"}, {"x" * 101: "owner"}, ["menu"]):
        with pytest.raises(ValidationError):
            AgentConfig.model_validate({"audience": wrong})


def binding(**audience: Audience) -> AgentBinding:
    return AgentBinding(agent_id="a", letta_agent_id="l", name="Ada", audience=audience)


def job(policy: RoomPolicy, person: str, business: str = "") -> JobMetadata:
    return JobMetadata(
        room_name="r", session_id="s", policy=policy, agent=binding(), person_id=person, business_id=business
    )


@pytest.mark.parametrize(
    ("policy", "business", "several"),
    [
        (RoomPolicy.SESSION, "", False),
        (RoomPolicy.SESSION, "b", False),
        (RoomPolicy.RESIDENT, "b", False),
        (RoomPolicy.SHARED, "", False),
        (RoomPolicy.SHARED, "b", True),
    ],
)
def test_in_a_room_that_a_business_shares_nobodys_own_memory_is_heard(
    policy: RoomPolicy, business: str, several: bool
) -> None:
    for person in (USER, OWNER):
        one = Listener.in_room(job(policy, person, business), binding(desk=Audience.KNOWN))
        assert (one.several, one.person_id) == (several, "" if several else person)
        assert one.hears("desk")
        assert one.hears("diary") is (person == OWNER and not several)
        assert one.has_memory is not several


def test_what_is_heard_of_the_assistant_and_of_the_own_home() -> None:
    blocks = [Block(label, f"The owner's {label}.") for label in ("persona", HUMAN, "plans", FACTS)]
    assistant = Snapshot("l", "Ada", tuple(blocks), datetime.now(UTC))
    own = [Block(label, f"My {label}.") for label in ("persona", HUMAN, "plans", FACTS)]
    home = Snapshot("h", "Ada - me", tuple(own), datetime.now(UTC))
    assert Listener.of(OWNER, {}).of_both(assistant, None) == assistant
    heard = Listener.of(BROWSER, {}).of_both(assistant, home)
    assert [block.value for block in heard.blocks] == ["The owner's persona.", "My human.", "My facts."]
    assert NOBODY.of_both(assistant, None) == NOBODY.of_assistant(assistant)
    assert (heard_by_everyone("persona"), heard_by_everyone("plans")) == (True, False)


def test_a_home_is_another_version_when_its_person_hears_something_else() -> None:
    assistant = Snapshot("l", "Ada", (Block("persona", "I."), Block("menu", "Soup.")), datetime.now(UTC))
    seen = {
        Listener.of(USER, audience).copies(assistant)
        for audience in ({}, {"menu": Audience.KNOWN}, {"files": Audience.KNOWN}, {"persona": Audience.OWNER})
    }
    assert len(seen) == 4
    changed = Snapshot("l", "Ada", (Block("persona", "I."), Block("menu", "Fish.")), datetime.now(UTC))
    assert Listener.of(USER, {}).copies(assistant) == Listener.of(USER, {}).copies(changed), "nothing to bring over"


def test_what_others_hear_too_is_not_about_the_person() -> None:
    blocks = [Block(label, "x") for label in ("persona", "task", HUMAN, FACTS, "plans", "menu")]
    heard = Snapshot("l", "Ada", tuple(blocks), datetime.now(UTC))
    about = Listener.of(OWNER, {"menu": Audience.EVERYONE}).told_about(heard)
    assert [block.label for block in about] == [HUMAN, "plans"]
