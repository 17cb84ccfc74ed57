"""What is read ahead of a question that is still being said begins like the prompt of its answer, or is not read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit.agents import ChatContext, llm

from voice_agent.conversation.turn_recall import TurnRecall
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.recall.recall import Recalled

CELLO = Fact("f1", "agent-1", "user:robin", "The user plays the cello.", datetime(2026, 11, 24, tzinfo=UTC))
WHOSE = ("agent-1", "user:robin", "session")
QUESTION = "Which instrument do I play?"


class World:
    """Stands for the recall of one person and the rest of the job."""

    def __init__(self, *found: Recalled | Exception) -> None:
        self.found = list(found)
        self.asked: list[tuple[str, bool]] = []
        memory = SimpleNamespace(recall=lambda *_: self)
        forgets = SimpleNamespace(purge=lambda _: None, told=self.nothing_to_forget)
        tasks = SimpleNamespace(start=lambda _, work: asyncio.ensure_future(work))
        journal = SimpleNamespace(write=lambda *_, **__: None)
        notices = SimpleNamespace(show_recalled=lambda *_: None)
        self.recall = TurnRecall(*cast(Any, (memory, forgets, tasks, journal, notices)))

    async def nothing_to_forget(self) -> None: ...

    async def look(self, before: str = "") -> None: ...

    async def about(self, question: str, *, look_again: bool = True) -> Recalled:
        self.asked.append((question, look_again))
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def texts(prompt: ChatContext) -> list[tuple[str, str]]:
    return [(item.role, item.text_content or "") for item in prompt.items if isinstance(item, llm.ChatMessage)]


def turn() -> Any:
    return SimpleNamespace(
        letta_agent_id="agent-1",
        person_id="user:robin",
        session_id="session",
        turn_id="t",
        user_text=QUESTION,
        speaker="robin",
    )


@pytest.mark.parametrize("found", [Recalled((CELLO,)), Recalled()], ids=["a fact", "nothing"])
async def test_it_begins_like_the_prompt_of_the_answer(found: Recalled) -> None:
    w = World(found, found)
    ahead, answer = ChatContext.empty(), ChatContext.empty()
    assert await w.recall.guess_into(ahead, "Which instrument do", WHOSE)
    answer.add_message(role="user", content=QUESTION)
    w.recall.begin(turn())
    await w.recall.put_into(answer)
    *before, (role, so_far) = texts(ahead)
    *also_before, (also_role, whole) = texts(answer)
    assert (before, role) == (also_before, also_role)
    assert whole.startswith(so_far)
    assert w.asked == [("Which instrument do", False), (QUESTION, True)], "no second look at half a question"


@pytest.mark.parametrize("found", [Recalled(doubtful=True), RuntimeError("the database is away")])
async def test_nothing_is_read_where_it_is_not_known_what_will_stand_there(found: Recalled | Exception) -> None:
    w = World(found)
    prompt = ChatContext.empty()
    assert not await w.recall.guess_into(prompt, "Which instrument do", WHOSE)
    assert texts(prompt) == []
