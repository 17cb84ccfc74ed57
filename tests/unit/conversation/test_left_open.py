"""Open question of an agent: the next one answers it once, while the person who asked it is still there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc

from tests.support.memory_world import MemoryWorld
from voice_agent.contracts import AgentBinding, JobMetadata, MemoryScope, ReplyPath
from voice_agent.conversation.left_open import LeftOpen
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.conversation.turn_recorder import TurnContext, TurnRecorder
from voice_agent.lifecycle.states import Human
from voice_agent.memory.access import continuity_key
from voice_agent.memory.model import Turn, TurnState
from voice_agent.memory.threads import ThreadState

LATER = 60.0
ASKER = Human("PA_1", "human-1")


class Visit:
    """One session, and the jobs that follow each other in it."""

    def __init__(self, world: MemoryWorld, path: ReplyPath = ReplyPath.HYBRID) -> None:
        self.world = world
        agent = AgentBinding(agent_id="a", letta_agent_id=world.agent, name="Ada", reply_path=path)
        self.job = JobMetadata(room_name="r", session_id="s", agent=agent)
        self.thread = continuity_key(self.job)
        self.context = TurnContext.of(agent, self.thread, "s", "owner")
        self.ended: list[Turn] = []

    def recorder(self) -> TurnRecorder:
        return TurnRecorder(
            self.world.outbox, OwnedTasks("turns", lambda *_: None), cast(Any, SimpleNamespace(ended=self.ended.append))
        )

    async def next_job(self, within: float = LATER) -> ThreadState:
        known = await self.world.memory.open(self.job, within)
        await self.world.memory.begin_episode(self.thread, self.world.agent, known.episode + 1)
        return known

    async def stored(self) -> list[tuple[str, str, TurnState]]:
        turns = await self.world.outbox.of_session("s")
        return [(turn.user_text, turn.assistant_text, turn.state) for turn in turns]


async def asked(visit: Visit, text: str = "Why?") -> Turn:
    """By a job that dies then."""
    known = await visit.next_job()
    return await visit.recorder().begin(visit.context, known.episode + 1, text, ASKER.identity)


async def test_it_is_found_and_answered_as_the_same_turn(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        visit = Visit(world)
        turn = await asked(visit)
        known = await visit.next_job()
        assert known.asked is not None
        assert known.asked.turn_id == turn.turn_id
        recorder = visit.recorder()
        recorder.inherit(known.asked)
        taken = await recorder.take_up(known.asked, known.episode + 1)
        assert taken is not None
        assert taken.episode == known.episode + 1
        await world.outbox.finish_turn(taken.turn_id, "Because.", interrupted=False)
        assert await visit.stored() == [("Why?", "Because.", TurnState.PENDING)]


async def test_one_that_was_ended_without_an_answer_is_opened_again(tmp_path: Path) -> None:
    """Its agent was sent away, and had the time to say goodbye."""
    async with MemoryWorld.open(tmp_path) as world:
        visit = Visit(world)
        turn = await asked(visit)
        await world.outbox.finish_turn(turn.turn_id, "", interrupted=True)
        known = await visit.next_job()
        assert known.asked is not None
        assert await visit.recorder().take_up(known.asked, known.episode + 1)
        assert await visit.stored() == [("Why?", "", TurnState.OPEN)]


async def test_what_letta_may_hold_is_not_opened_again(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        visit = Visit(world)
        turn = await asked(visit)
        await world.outbox.finish_turn(turn.turn_id, "", interrupted=True)
        known = await visit.next_job()
        assert known.asked is not None
        await world.outbox.mark([turn], TurnState.SENDING)
        assert await visit.recorder().take_up(known.asked, known.episode + 1) is None


@pytest.mark.parametrize("scope", list(MemoryScope))
async def test_it_is_ended_when_something_else_is_asked(tmp_path: Path, scope: MemoryScope) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        visit = Visit(world)
        visit.context = replace(visit.context, scope=scope)
        await asked(visit)
        known = await visit.next_job()
        assert known.asked is not None
        recorder = visit.recorder()
        recorder.inherit(known.asked)
        await recorder.begin(visit.context, known.episode + 1, "And how?", ASKER.identity)
        assert await recorder.take_up(known.asked, known.episode + 1) is None
        ended = TurnState.KEPT if scope is MemoryScope.READ_ONLY else TurnState.PENDING
        assert await visit.stored() == [("Why?", "", ended), ("And how?", "", TurnState.OPEN)]


async def test_nothing_is_open_after_an_answer_or_a_visit_or_too_long(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        visit = Visit(world)
        turn = await asked(visit)
        assert (await world.memory.open(visit.job, LATER)).asked is not None
        assert (await world.memory.open(visit.job, 0.0)).asked is None, "too long ago: adopted"
        assert await visit.stored() == [("Why?", "", TurnState.SENDING)]
        await world.memory.begin_episode(visit.thread, world.agent, turn.episode + 1)
        assert (await world.memory.open(visit.job, LATER)).asked is None, "of another episode"
        second = await asked(visit, "And how?")
        await world.outbox.plan_answer(second.turn_id, "Like this.")
        assert (await visit.next_job()).asked is None, "it was about to be said"


class SilentRoom:
    """Who speaks is told by the test."""

    def on(self, *_: Any) -> None: ...

    def off(self, *_: Any) -> None: ...


def left_open(path: ReplyPath = ReplyPath.HYBRID) -> LeftOpen:
    left = LeftOpen(cast(rtc.Room, SilentRoom()))
    asked = Turn("t1", "thread", "s", "a", 1, "Why?", speaker=ASKER.identity, path=path)
    left.begin(asked, frozenset({ASKER.sid}))
    return left


def test_it_is_taken_once_and_only_for_who_asked_in_this_visit() -> None:
    left = left_open()
    assert not left.concerns((Human("PA_2", "human-2"),))
    assert not left.concerns((Human("PA_9", ASKER.identity),)), "who came back is greeted"
    assert left.concerns((Human("PA_2", "human-2"), ASKER))
    taken = left.take((ASKER,))
    assert taken is not None
    assert taken.user_text == "Why?"
    assert not left.concerns((ASKER,))


def test_what_letta_answers_itself_is_not_asked_again() -> None:
    left = left_open(ReplyPath.LETTA)
    assert left.concerns((ASKER,))
    assert left.take((ASKER,)) is None


def test_what_was_said_since_ends_it() -> None:
    left = left_open()
    left.drop()
    assert not left.concerns((ASKER,))
