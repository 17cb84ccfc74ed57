"""Callers: of the humans that LiveKit lets in, those whose session is live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc

from voice_agent.contracts import HumanAttribute
from voice_agent.conversation import callers as callers_module
from voice_agent.conversation.callers import Callers
from voice_agent.conversation.room_events import RoomEvents
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.errors import Code, Temporary
from voice_agent.lifecycle import events as ev
from voice_agent.observe.log import BoundLog


class Publication:
    kind = rtc.TrackKind.KIND_AUDIO

    def __init__(self) -> None:
        self.subscribed = False

    def set_subscribed(self, subscribed: bool) -> None:
        self.subscribed = subscribed


def person(identity: str, session: str = "", *, number: int = 1) -> Any:
    return SimpleNamespace(
        sid=f"{identity}-{number}",
        identity=identity,
        kind=rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD,
        name=identity.title(),
        state=rtc.ParticipantState.PARTICIPANT_STATE_ACTIVE,
        attributes={HumanAttribute.SESSION_ID.value: session} if session else {},
        track_publications={"microphone": Publication()},
        disconnect_reason=None,
    )


class Room:
    """LiveKit's room and the server's side, as far as callers need them."""

    def __init__(self) -> None:
        self.remote_participants: dict[str, Any] = {}
        self._handlers: dict[str, Callable[..., None]] = {}
        self.ended: set[str] = set()
        self.away = 0
        """So many more reads of the database fail."""
        self.raises: list[BaseException] = []
        self.asked = 0
        self.asking = asyncio.Event()
        self.removed: list[str] = []
        self.told: list[ev.Event] = []
        self.failed: list[str] = []
        self.tasks = OwnedTasks("job", lambda name, error: self.failed.append(f"{name}: {error!r}"))
        self.callers = Callers(cast(rtc.Room, self), self, self.tasks, cast(BoundLog, self))
        self.events = RoomEvents(cast(rtc.Room, self), self.callers, cast(Any, SimpleNamespace(tell=self.told.append)))

    def on(self, name: str, handler: Callable[..., None]) -> None:
        self._handlers[name] = handler

    def write(self, *_: Any, **__: Any) -> None:
        """The log."""

    async def all(self) -> frozenset[str]:
        return frozenset()

    async def over(self, session_ids: Collection[str]) -> frozenset[str]:
        self.asked += 1
        self.asking.set()
        await asyncio.sleep(0)
        if self.raises:
            raise self.raises.pop()
        if self.away:
            self.away -= 1
            raise Temporary(Code.DATABASE_UNAVAILABLE, "Away.")
        return frozenset(session_ids) & self.ended

    async def remove(self, identity: str) -> None:
        self.removed.append(identity)

    def joins(self, one: Any) -> Any:
        self.remote_participants[one.identity] = one
        self._handlers["participant_connected"](one)
        return one

    def leaves(self, one: Any) -> None:
        del self.remote_participants[one.identity]
        self._handlers["participant_disconnected"](one)

    @property
    def story(self) -> list[str]:
        return [f"{type(event).__name__} {getattr(event, 'sid', '') or event.human.sid}" for event in self.told]  # type: ignore[attr-defined]


def heard(one: Any) -> bool:
    return any(publication.subscribed for publication in one.track_publications.values())


async def test_a_live_session_is_told_of_heard_and_known_as_a_listener() -> None:
    room = Room()
    room.events.attach()
    anna = room.joins(person("anna", "s1"))
    assert room.told == []
    await room.tasks.finish()
    assert room.story == ["HumanJoined anna-1", "ListenerSubscribed anna-1"]
    assert heard(anna)
    assert [human.identity for human in room.callers.present()] == ["anna"]
    room.leaves(anna)
    assert room.story[2:] == ["HumanLeft anna-1"]


async def test_of_an_ended_session_nobody_is_told_and_its_token_is_sent_out() -> None:
    room = Room()
    room.ended.add("s1")
    room.events.attach()
    anna = room.joins(person("anna", "s1"))
    room._handlers["track_published"](anna.track_publications["microphone"], anna)
    room._handlers["participant_active"](anna)
    room._handlers["active_speakers_changed"]([anna])
    await room.tasks.finish()
    room._handlers["track_published"](anna.track_publications["microphone"], anna)
    assert (room.told, heard(anna), room.callers.present()) == ([], False, ())
    assert room.removed == ["anna"]
    room.leaves(anna)
    assert (room.told, room.failed) == ([], [])


@pytest.mark.parametrize("error", [RuntimeError("a defect"), asyncio.CancelledError()], ids=["raises", "is cancelled"])
async def test_a_look_up_that_fails_is_made_again(error: BaseException) -> None:
    room = Room()
    room.raises = [error]
    room.events.attach()
    anna = room.joins(person("anna", "s1"))
    await room.tasks.finish()
    assert (len(room.failed), room.asked, heard(anna)) == (1, 2, True)


async def test_a_look_up_that_is_no_longer_needed_is_not_made_again() -> None:
    room = Room()
    room.events.attach()
    room.joins(person("anna", "s1"))
    await asyncio.sleep(0)
    await room.tasks.stop()
    assert (len(room.tasks), room.failed) == (0, [])


async def test_nor_for_who_has_left() -> None:
    room = Room()
    room.raises = [RuntimeError("a defect")]
    room.events.attach()
    anna = room.joins(person("anna", "s1"))
    await room.asking.wait()
    room.leaves(anna)
    await room.tasks.finish()
    assert (len(room.failed), room.asked) == (1, 1)


async def test_who_was_there_before_us_is_looked_up_too() -> None:
    room = Room()
    room.ended.add("s1")
    room.remote_participants = {"anna": person("anna", "s1"), "ben": person("ben", "s2")}
    room.events.attach()
    await room.tasks.finish()
    assert [human.identity for human in room.callers.scan()] == ["ben"]
    assert (room.asked, room.removed) == (2, ["anna"])


async def test_a_token_that_is_none_of_ours_is_let_in_at_once() -> None:
    room = Room()
    room.events.attach()
    assert heard(room.joins(person("guest")))
    assert room.story == ["HumanJoined guest-1", "ListenerSubscribed guest-1"]
    assert room.asked == 0


async def test_what_is_told_of_somebody_names_the_call_that_their_token_was_made_for() -> None:
    room = Room()
    room.events.attach()
    guest = person("guest")
    guest.attributes = {HumanAttribute.CALL_ID.value: "one"}
    room.joins(guest)
    assert [human.call for human in room.callers.present()] == ["one"]


async def test_who_left_while_they_were_looked_up_never_came() -> None:
    room = Room()
    room.events.attach()
    anna = room.joins(person("anna", "s1"))
    waiting = asyncio.create_task(room.callers.let_in("anna"))
    await asyncio.sleep(0)
    room.leaves(anna)
    await room.tasks.finish()
    assert not await waiting
    assert (room.told, room.failed) == ([], [])


async def test_words_that_come_before_their_sender_is_told_of_wait_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room()
    room.events.attach()
    waiting = asyncio.create_task(room.callers.let_in("anna"))
    await asyncio.sleep(0)
    room.joins(person("ben"))
    await asyncio.sleep(0)
    room.joins(person("anna", "s1"))
    assert await waiting
    monkeypatch.setattr(callers_module, "_TOLD_WITHIN", 0.01)
    assert not await room.callers.let_in("nobody")


async def test_without_the_database_who_comes_back_is_let_in_and_a_new_one_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callers_module, "_AGAIN_AFTER", 0.0)
    room = Room()
    room.events.attach()
    anna = room.joins(person("anna", "s1"))
    await room.tasks.finish()
    room.leaves(anna)
    room.away, room.asked = 1, 0
    room.joins(person("anna", "s1", number=2))
    await room.tasks.finish()
    assert (room.asked, room.story[-2:]) == (1, ["HumanJoined anna-2", "ListenerSubscribed anna-2"])
    room.away, room.asked = 3, 0
    room.joins(person("ben", "s2"))
    await room.tasks.finish()
    assert (room.asked, room.story[-2:]) == (4, ["HumanJoined ben-1", "ListenerSubscribed ben-1"])
