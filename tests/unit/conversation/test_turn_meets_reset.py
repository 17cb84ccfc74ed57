"""Turn that is opened during a reset: it belongs to no visit, so it is ended and no longer waits for an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from livekit import rtc

from tests.support.eventually import PATIENCE
from tests.support.memory_world import MemoryWorld
from voice_agent.contracts import AS_INSTALLED, AgentBinding, JobMetadata, LogEvent
from voice_agent.conversation.assistant import VoiceAssistant
from voice_agent.conversation.providers import build_providers, load_vad
from voice_agent.conversation.speech_session import SpeechSession
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.states import Human, State
from voice_agent.lifecycle.timing import Timing
from voice_agent.memory.model import TurnState
from voice_agent.observe.reading import read_file
from voice_agent.settings import Settings

ANN = Human("PA_ann", "ann")


class NobodysRoom:
    """LiveKit's side: a room that is not connected, with nobody in it."""

    def __init__(self) -> None:
        self.remote_participants: dict[str, Any] = {}

    def on(self, *_: Any) -> None: ...

    def off(self, *_: Any) -> None: ...

    def isconnected(self) -> bool:
        return False

    async def all(self) -> frozenset[str]:
        """The sessions of the room."""
        return frozenset()


@asynccontextmanager
async def engaged(world: MemoryWorld, directory: Path) -> AsyncIterator[VoiceAssistant]:
    before = asyncio.all_tasks()
    room = NobodysRoom()
    live = cast(rtc.Room, room)
    agent = AgentBinding(agent_id="a", letta_agent_id=world.agent, name="Ada")
    build = partial(build_providers, Settings(home=directory), load_vad())
    assistant = VoiceAssistant(
        live,
        JobMetadata(room_name="r", session_id="s", agent=agent),
        SpeechSession(live, build, AS_INSTALLED, lambda: True),
        world.memory,
        world.log.bind(room="r", session="s"),
        cast(Any, room),
        timing=Timing(),
        greet=False,
        memory_refresh=30.0,
    )
    try:
        await assistant.open()
        assistant.tell(ev.RoomConnected((ANN,)))
        assistant.tell(ev.AudioPublished())
        await until(lambda: assistant.machine.state is State.ENGAGED, "engaged")
        yield assistant
    finally:
        await assistant.close()
        # Who is cancelled while it gives a connection back leaves that to a task of SQLAlchemy's.
        if late := asyncio.all_tasks() - before:
            await asyncio.wait(late)


async def until(good: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not good():
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("media_engine")
async def test_a_turn_that_is_opened_while_a_reset_passes_is_ended(tmp_path: Path) -> None:
    log = tmp_path / "reconnect.jsonl"

    def cleared() -> bool:
        lines = [entry.data or {} for entry in read_file(log)]
        return any(line["event"] == LogEvent.EFFECT and line["fields"]["effect"] == "ClearHistory" for line in lines)

    async with MemoryWorld.open(tmp_path) as world, engaged(world, tmp_path) as assistant:
        async with world.database.begin():  # one writer at a time: the turn waits
            asking = asyncio.create_task(assistant.turns.begin("Why?", ANN.identity))
            await until(assistant.turns._recorder._beginning.locked, "the turn on its way into the database")
            assistant.tell(ev.ResetRequested("manual"))
            await until(cleared, "unanswered turns ended and the history cleared")
            assert not asking.done()
        assert not await asking, "nobody answers it"
        assert not any("reassure" in task.get_name() for task in asyncio.all_tasks()), "its tasks have not begun"
        assert assistant.health().silent_for == 0.0, "nobody waits: a healthy agent is not recycled"
        (turn,) = await world.outbox.of_session("s")
        assert (turn.user_text, turn.interrupted, turn.state) == ("Why?", True, TurnState.KEPT)
        await until(lambda: assistant.machine.ready, "new for whoever comes next")
