from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from voice_agent.contracts import AgentBinding, RoomPolicy
from voice_agent.conversation import welcome
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.conversation.welcome import Welcome
from voice_agent.languages import ENGLISH
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.model import Turn

CAT = Fact("f1", "agent-1", "user:robin", "The user has a cat.", datetime(2026, 11, 24, tzinfo=UTC))
PLAIN = "Welcome back, Robin. What would you like to talk about?"
ASKED = "Hello Robin. Last time you told me that you have a cat. What is new since then?"


class Parts:
    """Stands for the recall, the recollection and the greeter; the facts are read when `read` is set."""

    def __init__(self, tasks: OwnedTasks, policy: RoomPolicy = RoomPolicy.SESSION) -> None:
        self.read = asyncio.Event()
        agent = AgentBinding(agent_id="a", letta_agent_id="agent-1", name="Ada")
        self.prompt_context = SimpleNamespace(
            agent=agent,
            policy=policy,
            whose=("a", "b", "c"),
            of_earlier_visits=True,
            language=ENGLISH,
            thread="thread",
            earlier=[],
        )
        self.made: list[str] = []
        voice = SimpleNamespace(session=None)
        self.welcome = Welcome(
            *cast(Any, (voice, self, self.prompt_context, tasks)), enabled=True, now=lambda: self.now
        )
        self.now = 0.0
        self.welcome._greeter = cast(Any, self)
        self.known: tuple[Fact, ...] = (CAT,)

    def recall(self, *_: str) -> Any:
        return self

    async def look(self) -> None:
        await self.read.wait()

    async def prepare(self, *texts: str) -> None:
        self.made += texts

    def speak(self, _session: object, text: str) -> str:
        return text


@asynccontextmanager
async def parts(policy: RoomPolicy = RoomPolicy.SESSION) -> AsyncIterator[Parts]:
    tasks = OwnedTasks("test", lambda *_: None)
    yield Parts(tasks, policy)
    await tasks.stop()


async def test_it_is_being_made_before_it_can_be_spoken() -> None:
    async with parts() as one:
        one.read.set()
        one.welcome.look_back()
        assert one.welcome._looking is not None
        await one.welcome._looking
        making = asyncio.create_task(one.welcome.prepare("Robin"))
        await asyncio.sleep(0)  # a greeting that becomes due at the same moment is the next task
        assert one.made == [ASKED]
        await making


async def test_who_returns_is_asked_once_about_what_they_told() -> None:
    async with parts() as one:
        one.read.set()
        one.welcome.look_back()
        await one.welcome.prepare("Robin")
        assert one.made == [ASKED]
        assert cast(str, one.welcome.speak("Robin")) == ASKED
        one.welcome.look_back()
        await one.welcome.prepare("Robin")
        assert one.made[-1] == PLAIN


async def test_who_told_their_name_is_greeted_by_it() -> None:
    async with parts() as one:
        name = Fact("f2", "agent-1", "user:robin", "The user's name is Robin.", datetime(2026, 11, 23, tzinfo=UTC))
        one.known = (CAT, name)
        one.read.set()
        one.welcome.look_back()
        await one.welcome.prepare("")
        assert one.made == [ASKED]


async def test_who_has_facts_returns_also_without_earlier_turns() -> None:
    async with parts() as one:
        one.prompt_context.of_earlier_visits = False
        one.read.set()
        one.welcome.look_back()
        await one.welcome.prepare("Robin")
        assert one.made == [ASKED]


async def test_nobody_waits_for_what_is_known(monkeypatch: Any) -> None:
    async with parts() as one:
        one.welcome.look_back()
        assert cast(str, one.welcome.speak("Robin")) == PLAIN
        monkeypatch.setattr(welcome, "_PATIENCE", 0.01)
        one.welcome.look_back()
        await one.welcome.prepare("Robin")
        assert one.made == [PLAIN]


async def test_in_a_room_of_several_nothing_is_told() -> None:
    async with parts(RoomPolicy.SHARED) as one:
        one.read.set()
        one.welcome.look_back()
        await one.welcome.prepare("Robin")
        assert one.made == [PLAIN]


AGAIN = "We were at: “Which trails near Bern are short”."


def trails(minutes_ago: float) -> Turn:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return Turn("t1", "thread", "s", "agent-1", 1, "Which trails near Bern are short?", created_at=at)


async def test_who_is_back_within_two_minutes_hears_where_they_were() -> None:
    async with parts() as one:
        one.prompt_context.earlier = [trails(30.0)]  # they listened for long
        one.welcome.episode_ended()
        one.now = 119.0
        await one.welcome.prepare("Robin")
        assert one.made == [AGAIN, PLAIN], "whenever they come, it is made already"
        assert cast(str, one.welcome.speak("Robin")) == AGAIN
        one.now = 121.0
        assert cast(str, one.welcome.speak("Robin")) == PLAIN


async def test_another_process_goes_by_what_was_said_last() -> None:
    async with parts() as one:
        one.prompt_context.earlier = [trails(1.5)]
        assert cast(str, one.welcome.speak("Robin")) == AGAIN
        one.prompt_context.earlier = [trails(2.5)]
        assert cast(str, one.welcome.speak("Robin")) == PLAIN


async def test_the_end_of_another_assistants_conversation_does_not_count() -> None:
    async with parts() as one:
        one.welcome.episode_ended()
        one.prompt_context.thread, one.prompt_context.earlier = "another", [trails(30.0)]
        assert cast(str, one.welcome.speak("Robin")) == PLAIN


async def test_who_said_nothing_yet_is_greeted() -> None:
    async with parts() as one:
        one.welcome.episode_ended()
        assert cast(str, one.welcome.speak("Robin")) == PLAIN


async def test_an_assistant_without_a_greeting_and_a_room_of_several_say_nothing_of_it() -> None:
    async with parts() as one:
        one.prompt_context.earlier = [trails(1.0)]
        one.prompt_context.agent = one.prompt_context.agent.model_copy(update={"greeting": ""})
        assert one.welcome.speak("Robin") is None
    async with parts(RoomPolicy.SHARED) as one:
        one.prompt_context.earlier = [trails(1.0)]
        assert cast(str, one.welcome.speak("Robin")) == PLAIN


async def test_a_question_that_was_not_asked_is_asked_the_next_time() -> None:
    async with parts() as one:
        one.read.set()
        one.prompt_context.earlier = [trails(1.0)]
        one.welcome.episode_ended()
        one.welcome.look_back()
        await one.welcome.prepare("Robin")
        assert cast(str, one.welcome.speak("Robin")) == AGAIN
        one.now = 500.0
        one.welcome.look_back()
        await one.welcome.prepare("Robin")
        assert cast(str, one.welcome.speak("Robin")) == ASKED
