from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from livekit.agents import ChatContext, llm

from tests.support.memory_world import MemoryWorld
from voice_agent.contracts import MemoryScope, Notice
from voice_agent.conversation.forget_by_voice import ForgetByVoice
from voice_agent.conversation.prompt_context import PromptContext
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.conversation.turn_recall import TurnRecall
from voice_agent.errors import Code, Temporary
from voice_agent.languages import ENGLISH
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.prompt import forgetting_failed, forgotten_text

ROBIN = "user:robin"
SOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
Kept = Callable[[Sequence[llm.ChatItem]], list[llm.ChatItem]]


class History:
    """What a recollection holds of a conversation."""

    quoted: tuple[str, ...] = ()
    language = ENGLISH

    def __init__(self) -> None:
        self.chat_ctx = ChatContext.empty()

    async def forget_said(self, turn_ids: set[str], kept: Kept) -> None:
        self.chat_ctx = ChatContext(kept(self.chat_ctx.items))


class Call:
    def __init__(self, world: MemoryWorld) -> None:
        self.world = world
        self.failures: list[str] = []
        self.tasks = OwnedTasks("test", lambda name, error: self.failures.append(f"{name}: {error!r}"))
        self.notices: list[Notice] = []
        self.history = History()
        log = world.log.bind()
        prompt_context = cast(PromptContext, self.history)
        notices = cast(Any, SimpleNamespace(notify=self.notices.append, show_recalled=lambda *_: None))
        self.forgets = ForgetByVoice(world.memory, prompt_context, self.tasks, log, notices)
        self.recall = TurnRecall(world.memory, self.forgets, self.tasks, cast(Any, self), notices)
        self.number = 0

    def write(self, *_: Any, **__: Any) -> None:
        """The journal's."""

    async def says(self, text: str, scope: MemoryScope = MemoryScope.PERSONAL, who: str = "") -> list[str]:
        """The prompt of the answer."""
        self.number += 1
        turn = replace(self.world.turn(self.number, person=ROBIN, scope=scope), user_text=text)
        await self.world.outbox.open_turn(turn)
        self.history.chat_ctx.add_message(role="user", content=text)
        prompt = self.history.chat_ctx.copy()
        if not self.forgets.begin(turn):
            self.recall.begin(turn)
        await self.recall.put_into(prompt, who)
        await self.world.outbox.finish_turn(turn.turn_id, "I see.", interrupted=False)
        self.history.chat_ctx.add_message(role="assistant", content="I see.")
        await self.tasks.finish()
        await self.forgets.clean()
        return [item.text_content or "" for item in prompt.items if isinstance(item, llm.ChatMessage)]

    async def learns(self, text: str) -> None:
        fact = Fact("f1", self.world.agent, ROBIN, text, SOON, turn_id=f"t{self.number}")
        await FactStore(self.world.database).add(fact)

    def remembered(self) -> str:
        return repr([item.text_content for item in self.history.chat_ctx.items if isinstance(item, llm.ChatMessage)])


@asynccontextmanager
async def call(directory: Path) -> AsyncIterator[Call]:
    async with MemoryWorld.open(directory) as world:
        one = Call(world)
        try:
            yield one
        finally:
            await one.tasks.stop()
            assert one.failures == []


async def test_what_is_to_be_forgotten_is_in_no_prompt_any_more(tmp_path: Path) -> None:
    async with call(tmp_path) as robin:
        robin.history.chat_ctx.add_message(role="assistant", content="Hello Robin. How is Rex?")
        await robin.says("My dog is called Rex.")
        await robin.learns("The user's dog is called Rex.")
        await robin.says("I like the sea.")
        assert any("Rex" in line for line in await robin.says("What is my dog called?"))
        prompt = await robin.says("Please forget what I told you about my dog.")
        assert prompt[-1] == forgotten_text(1), "after the wish"
        assert "Rex" not in repr(prompt)
        assert [(notice.code, notice.level) for notice in robin.notices] == [("forgotten", "info")]
        assert "Rex" not in robin.remembered()
        assert "the sea" in robin.remembered()
        assert "Rex" not in repr(await robin.says("What is my dog called?"))


async def test_what_was_told_a_moment_ago_is_forgotten_before_it_is_learned(tmp_path: Path) -> None:
    async with call(tmp_path) as robin:
        await robin.says("My dog is called Rex.")
        assert forgotten_text(1) in await robin.says("Please forget that my dog is called Rex.")
        assert "Rex" not in robin.remembered()
        assert "Rex" not in repr(await robin.says("What is my dog called?"))


async def test_there_may_be_nothing_to_forget(tmp_path: Path) -> None:
    async with call(tmp_path) as robin:
        await robin.says("I like the sea.")
        assert forgotten_text(0) in await robin.says("Please forget what I told you about my dog.")
        assert "the sea" in robin.remembered()


async def test_who_is_not_remembered_cannot_make_it_forget(tmp_path: Path) -> None:
    async with call(tmp_path) as robin:
        await robin.learns("The user's dog is called Rex.")
        await robin.says("Please forget what I told you about my dog.", MemoryScope.READ_ONLY)
        assert robin.notices == []


async def test_a_failure_is_told_and_ends_nothing(tmp_path: Path) -> None:
    for error, code in (
        (Temporary(Code.DATABASE_UNAVAILABLE, "Away.", "Wait."), Code.DATABASE_UNAVAILABLE),
        (RuntimeError("broken"), Code.AGENT_FAILS),
    ):
        async with call(tmp_path) as robin:

            async def fails(*_: Any, error: Exception = error) -> None:
                raise error

            robin.world.memory.forget = fails  # type: ignore[method-assign, assignment]
            robin.number = 10 if code is Code.AGENT_FAILS else 0
            assert forgetting_failed() in await robin.says("Please forget what I told you about my dog.")
            assert [notice.code for notice in robin.notices] == [code]


async def test_a_question_about_our_things_is_read_as_one_about_mine_and_kept_as_it_was_said(tmp_path: Path) -> None:
    async with call(tmp_path) as robin:
        await robin.says("My dog is called Rex.")
        await robin.learns("The user's dog is called Rex.")
        prompt = await robin.says("What is our dog called?")
        assert prompt[-1] == "What is my dog called?"
        assert "What is our dog called?" in robin.remembered()


async def test_among_several_it_is_said_before_the_question_whose_turn_it_is(tmp_path: Path) -> None:
    async with call(tmp_path) as robin:
        await robin.says("My dog is called Rex.")
        who = "The user who is speaking now is called Robin."
        prompt = await robin.says("What is my dog called?", who=who)
        assert prompt.index(who) < prompt.index("What is my dog called?")
        assert prompt[prompt.index(who) + 1 :][-1] == "What is my dog called?"
        assert any("Rex" in line for line in prompt[prompt.index(who) :])
