"""Speakers: whose words they are, in a room of one person and in a shared room."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc

from tests.support.memory_world import THREAD, MemoryWorld
from voice_agent.contracts import AgentBinding, HumanAttribute, JobMetadata, MemoryScope, ReplyPath, RoomPolicy
from voice_agent.conversation.speakers import Speakers
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.conversation.turn_recorder import TurnContext, TurnRecorder
from voice_agent.errors import Code, Temporary
from voice_agent.memory.access import continuity_key, room_thread
from voice_agent.memory.outbox import Outbox

AGENT = AgentBinding(agent_id="a", letta_agent_id="l", name="Ada", reply_path=ReplyPath.LETTA)


def token(identity: str, person: str) -> dict[str, str]:
    user = person.rpartition(":")[2]
    told = {
        HumanAttribute.PERSON_ID: person,
        HumanAttribute.SESSION_ID: f"session-of-{identity}",
        HumanAttribute.BUSINESS_ID: "b",
        HumanAttribute.USER_ID: user,
        HumanAttribute.USER_NAME: user.title(),
    }
    return {str(key): value for key, value in told.items()}


def room(**people: str) -> rtc.Room:
    """Identity and person; an empty person: a token that says nothing of it."""
    present: dict[str, Any] = {
        identity: SimpleNamespace(attributes=token(identity, person) if person else {})
        for identity, person in people.items()
    }
    return cast(rtc.Room, SimpleNamespace(remote_participants=present))


def job(policy: RoomPolicy) -> JobMetadata:
    return JobMetadata(
        room_name="r", session_id="s", agent=AGENT, policy=policy, person_id="user:b:anna", user_name="Anna"
    )


OURS = [policy for policy in RoomPolicy if policy is not RoomPolicy.ADOPTED]


def test_in_a_room_of_others_everybody_is_a_stranger_for_one_stay_whatever_their_token_says() -> None:
    there = room(one="owner", two="user:b:anna")
    people: dict[str, Any] = dict(there.remote_participants)
    people["one"].sid, people["two"].sid = "PA_1", "PA_2"
    theirs = job(RoomPolicy.ADOPTED).model_copy(update={"person_id": "session:s", "user_name": ""})
    speakers = Speakers(there, theirs)
    told = [speakers.about(identity) for identity in ("one", "two")]
    assert [one.person_id for one in told] == ["session:PA_1", "session:PA_2"]
    assert {(one.session_id, one.user_id, one.user_name) for one in told} == {("s", "", "")}
    assert speakers.name_of("Anna") == speakers.expected_name == ""
    assert speakers.about("gone").person_id == "session:s"
    people["one"].sid = "PA_3"
    assert speakers.about("one").person_id == "session:PA_3"


@pytest.mark.parametrize("policy", OURS)
def test_the_speaker_is_who_the_server_says(policy: RoomPolicy) -> None:
    speakers = Speakers(room(one="user:b:anna", two="user:b:ben"), job(policy))
    assert [speakers.about(identity).person_id for identity in ("one", "two")] == ["user:b:anna", "user:b:ben"]


def test_who_is_not_known_is_the_one_person_of_a_room_but_nobody_among_several() -> None:
    assert Speakers(room(old=""), job(RoomPolicy.SESSION)).about("old").person_id == "user:b:anna"
    assert Speakers(room(old=""), job(RoomPolicy.SHARED)).about("old").person_id == ""
    assert Speakers(room(), job(RoomPolicy.SHARED)).about("gone").person_id == ""


def test_name_session_and_thread_are_those_of_the_speaker() -> None:
    speakers = Speakers(room(one="user:b:anna", two="user:b:ben", guest=""), job(RoomPolicy.SHARED))
    told = [speakers.about(identity) for identity in ("one", "two", "guest")]
    assert [about.user_name for about in told] == ["Anna", "Ben", ""]
    assert [about.session_id for about in told] == ["session-of-one", "session-of-two", "r"]
    threads = ["a/business:b/user:anna", "a/business:b/user:ben", "a/session:r"]
    assert [continuity_key(about) for about in told] == threads
    assert room_thread(job(RoomPolicy.SHARED)) == "a/room:r", "what is the room's is nobody's"


def test_the_last_words_of_who_has_left_are_still_theirs() -> None:
    there = room(two="user:b:ben")
    speakers = Speakers(there, job(RoomPolicy.SHARED))
    speakers.about("two")
    cast(dict[str, Any], there.remote_participants).clear()
    assert speakers.about("two").person_id == "user:b:ben"


@pytest.mark.parametrize(
    ("policy", "person", "scope", "path"),
    [
        (RoomPolicy.SHARED, "user:b:ben", MemoryScope.PERSONAL, ReplyPath.LETTA),
        (RoomPolicy.SHARED, "session:s2", MemoryScope.READ_ONLY, ReplyPath.HYBRID),
        (RoomPolicy.SHARED, "", MemoryScope.READ_ONLY, ReplyPath.HYBRID),
        (RoomPolicy.SESSION, "owner", MemoryScope.PERSONAL, ReplyPath.LETTA),
        (RoomPolicy.SESSION, "session:s", MemoryScope.READ_ONLY, ReplyPath.HYBRID),
        (RoomPolicy.SESSION, "", MemoryScope.READ_ONLY, ReplyPath.HYBRID),
    ],
)
def test_of_whom_ends_with_the_session_nothing_is_kept(
    policy: RoomPolicy, person: str, scope: MemoryScope, path: ReplyPath
) -> None:
    agent = Speakers(room(), job(policy)).narrowed(AGENT, person)
    context = TurnContext.of(agent, "thread", "s", person)
    assert (context.scope, context.path, context.person_id) == (scope, path, person)


def test_a_configuration_that_keeps_nothing_is_not_widened() -> None:
    nothing = AGENT.model_copy(update={"memory_scope": MemoryScope.READ_ONLY})
    assert Speakers(room(), job(RoomPolicy.SHARED)).narrowed(nothing, "owner").memory_scope is MemoryScope.READ_ONLY


def test_among_several_the_name_is_that_of_who_is_there() -> None:
    shared = Speakers(room(), job(RoomPolicy.SHARED))
    assert shared.expected_name == ""
    assert [shared.name_of("Ben"), shared.expected_name, shared.name_of("")] == ["Ben", "Ben", ""]
    alone = Speakers(room(), job(RoomPolicy.SESSION))
    assert [alone.name_of("Ben"), alone.expected_name] == ["Anna", "Anna"]


async def test_what_is_written_down_says_whose_words_it_is(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        recorder = TurnRecorder(
            world.outbox, OwnedTasks("turns", lambda *_: None), cast(Any, SimpleNamespace(ended=lambda _turn: None))
        )
        for person in ("user:b:anna", "user:b:ben"):
            await recorder.begin(TurnContext.of(AGENT, THREAD, "s", person), 1, f"I am {person}", "human-1")
        assert [turn.person_id for turn in await world.outbox.of_session("s")] == ["user:b:anna", "user:b:ben"]


class AwayForAMoment(Outbox):
    """A database that is away when a turn ends."""

    fails = 2

    async def finish_turn(self, *args: Any, **kwargs: Any) -> None:
        if self.fails:
            self.fails -= 1
            raise Temporary(Code.DATABASE_UNAVAILABLE, "Away.")
        await super().finish_turn(*args, **kwargs)


async def test_the_end_of_a_turn_waits_for_the_database_and_is_stored(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        ended: list[str] = []
        outbox = AwayForAMoment(world.database)
        recorder = TurnRecorder(
            outbox,
            OwnedTasks("turns", lambda *_: None),
            cast(Any, SimpleNamespace(ended=lambda turn: ended.append(turn.turn_id))),
        )
        turn = await recorder.begin(TurnContext.of(AGENT, THREAD, "s", "owner"), 1, "Hello.", "human-1")
        await recorder.end_unanswered()
        assert ended == [turn.turn_id]
        assert (recorder.silent_for, outbox.fails) == (0.0, 0)
        assert [stored.interrupted for stored in await world.outbox.of_session("s")] == [True]
