"""Privacy of the owner: nothing they told reaches the LLM when another person asks, in no place, on no reply path.

The tests check what the LLM is given, not what it answers.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc
from livekit.agents import ChatContext, llm

from tests.support.memory_world import MemoryWorld
from tests.support.questions import QUESTIONS
from voice_agent import clock
from voice_agent.contracts import AgentBinding, Audience, JobMetadata, ReplyPath, RoomPolicy
from voice_agent.conversation.forget_by_voice import ForgetByVoice
from voice_agent.conversation.livekit_agent import LiveKitAgent
from voice_agent.conversation.prompt_context import PromptContext
from voice_agent.conversation.reply_source import letta_answer
from voice_agent.conversation.speakers import Speakers
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.conversation.turn_recall import TurnRecall
from voice_agent.conversation.turn_recorder import TurnContext
from voice_agent.conversation.welcome import Welcome
from voice_agent.memory.access import Memory, continuity_key
from voice_agent.memory.audience import Listener
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.model import FACTS, Snapshot, Turn
from voice_agent.memory.snapshots import Snapshots

OWNER, ANNA, BEN, BROWSER, SESSION = "owner", "user:b:anna", "user:b:ben", "browser:1", "session:s"
HUMAN, PLANS, BLOCK, TOLD, PASSAGE, SAID, KEPT, ANNAS, ANNA_SAID = CANARIES = (
    "Zephyrine",
    "Ostravica",
    "Quintarel",
    "Brindlewick",
    "Verdigrisson",
    "Mopsington",
    "Halcyonette",
    "Tamarindo",
    "Pellegrina",
)
EARLIER = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class House:
    """An assistant whose owner, and one other person, told it something, in every place where that is kept."""

    def __init__(self, world: MemoryWorld) -> None:
        self.world = world
        self.failures: list[str] = []
        self.tasks = OwnedTasks("test", lambda name, error: self.failures.append(f"{name}: {error!r}"))

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path) -> AsyncIterator[House]:
        async with MemoryWorld.open(directory) as world:
            house = cls(world)
            await house._furnish()
            try:
                yield house
            finally:
                await house.tasks.stop()
                assert house.failures == []

    async def _furnish(self) -> None:
        world, letta = self.world, self.world.letta
        await letta.edit_block(world.agent, "task", "Sell boats.")
        await letta.edit_block(world.agent, "human", f"The owner's cat is called {HUMAN}.")
        await letta.edit_block(world.agent, "plans", f"The owner wants to move to {PLANS} in May.")
        await letta.set_block(world.agent, FACTS, f"- The owner earns a {BLOCK} a month.", "")
        await letta.add_passage(world.agent, f"The spare key is under the {PASSAGE} pot.", [], EARLIER)
        fact = Fact("f1", world.agent, OWNER, f"The user's brother is called {TOLD}.", EARLIER, session_id="old")
        await FactStore(world.database).add(fact)
        await self.speak(self.binding(), OWNER, f"My dog is called {SAID}.", "")
        anna = await world.homes.ensure(world.agent, ANNA)
        await letta.edit_block(anna, "human", f"Anna's boat is called {ANNAS}.")
        await self.speak(self.binding(), ANNA, f"My horse is called {ANNA_SAID}.", "b")
        await world.drain_until_quiet()

    def binding(self, path: ReplyPath = ReplyPath.HYBRID, **audience: Audience) -> AgentBinding:
        agent = self.world.agent
        return AgentBinding(agent_id="a", letta_agent_id=agent, name="Ada", reply_path=path, audience=audience)

    def job(
        self, agent: AgentBinding, person: str, business: str = "", policy: RoomPolicy = RoomPolicy.SESSION
    ) -> JobMetadata:
        kind, _, rest = person.partition(":")
        return JobMetadata(
            room_name="r",
            session_id="s",
            policy=policy,
            agent=agent,
            person_id=person,
            business_id=business,
            user_id=rest.partition(":")[2] if kind == "user" else "",
        )

    async def speak(self, agent: AgentBinding, person: str, words: str, business: str) -> None:
        """In an earlier episode."""
        thread = continuity_key(self.job(agent, person, business))
        await self.world.threads.ensure(thread, self.world.agent)
        turn = replace(self.world.turn(len(words), thread=thread, person=person), user_text=words)
        await self.world.outbox.open_turn(turn)
        await self.world.outbox.finish_turn(turn.turn_id, f"I see: {words}", interrupted=False)


@dataclass
class Visit:
    """What one visitor's conversation gives to the language model, with the parts that make it in a call."""

    house: House
    job: JobMetadata
    memory: Memory

    def __post_init__(self) -> None:
        self.livekit_agent = LiveKitAgent()
        self.prompt_context = PromptContext(self.memory, self.livekit_agent, self.job)
        log, tasks = self.house.world.log.bind(), self.house.tasks
        self.shown: list[str] = []
        told = SimpleNamespace(notify=lambda _: None, show_recalled=lambda note, _: self.shown.append(repr(note)))
        notices = cast(Any, told)
        forgets = ForgetByVoice(self.memory, self.prompt_context, tasks, log, notices)
        journal = cast(Any, SimpleNamespace(write=lambda *_, **__: None))
        self.recall = TurnRecall(self.memory, forgets, tasks, journal, notices)
        voice = cast(Any, SimpleNamespace(session=None, tts=None))
        self.welcome = Welcome(voice, self.memory, self.prompt_context, tasks, enabled=True)
        nobody_there = cast(rtc.Room, SimpleNamespace(remote_participants={}))
        self.speakers = Speakers(nobody_there, self.job)

    async def begin(self, deadline: float = 5.0) -> str:
        """The greeting, as it is with what was known before it."""
        await self.memory.open(self.job)
        self.welcome.look_back()
        result = await self.prompt_context.load(2, deadline)
        await self.prompt_context.take(result.snapshot)
        await self.house.tasks.finish()
        return self.welcome.text("")

    async def ask(self, question: str, speaker: str | None = None) -> str:
        """All that the model is given with it."""
        person = self.job.person_id if speaker is None else speaker
        agent = self.speakers.narrowed(self.prompt_context.agent, person)
        context = TurnContext.of(agent, self.prompt_context.thread, self.job.session_id, person)
        turn = Turn(
            uuid.uuid4().hex, context.thread, "s", context.letta_agent_id, 2, question,
            person_id=person, scope=context.scope, path=context.path,
        )  # fmt: skip
        await self.house.world.outbox.open_turn(turn)
        self.shown.clear()
        given = await (self._letta(turn) if turn.path is ReplyPath.LETTA else self._hybrid(turn))
        await self.house.world.outbox.finish_turn(turn.turn_id, "I do not know.", interrupted=False)
        if turn.path is ReplyPath.LETTA:  # answers the next one only when it holds this one
            await self.house.world.drain_until_quiet()
        return given + "".join(self.shown)

    async def _hybrid(self, turn: Turn) -> str:
        prompt = ChatContext.empty()
        prompt.add_message(role="user", content=turn.user_text)
        self.recall.begin(turn)
        await self.recall.put_into(prompt)
        messages = [item.text_content for item in prompt.items if isinstance(item, llm.ChatMessage)]
        return repr((self.livekit_agent.instructions, messages))

    async def _letta(self, turn: Turn) -> str:
        async for _ in letta_answer(
            self.memory, turn, self.prompt_context.agent, cast(Any, SimpleNamespace(apology=str))
        ):
            pass
        return self.house.world.letta.seen[-1]


async def visit(house: House, job: JobMetadata, *, deadline: float = 5.0) -> tuple[Visit, str]:
    one = Visit(house, job, Memory(house.world.database, house.world.letta, order_patience=0.5))
    return one, await one.begin(deadline)


async def all_answers(one: Visit, speaker: str | None = None) -> str:
    return "".join([await one.ask(question, speaker) for question in QUESTIONS])


def canaries_in(text: str) -> set[str]:
    return {canary for canary in CANARIES if canary in text}


@pytest.mark.parametrize("path", list(ReplyPath))
@pytest.mark.parametrize("person", [BROWSER, SESSION, "", BEN])
async def test_a_stranger_hears_nothing_of_the_owner_however_they_ask(
    tmp_path: Path, person: str, path: ReplyPath
) -> None:
    async with House.open(tmp_path) as house:
        one, greeting = await visit(house, house.job(house.binding(path), person, "b" if person == BEN else ""))
        given = await all_answers(one)
        assert canaries_in(greeting + given) == set()
        assert "I am Ada" in given
        assert "Sell boats" in given, "what the assistant is and does is for everyone"
        assert all(question in given for question in QUESTIONS)


@pytest.mark.parametrize("path", list(ReplyPath))
async def test_the_owner_hears_all_of_it(tmp_path: Path, path: ReplyPath, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the test above could not fail."""
    async with House.open(tmp_path) as house:
        monkeypatch.setenv(clock.AHEAD, "0.01")  # who comes back within two minutes hears where they were instead
        one, greeting = await visit(house, house.job(house.binding(path), OWNER))
        assert TOLD in greeting
        expected = {HUMAN, PLANS, SAID, TOLD} if path is ReplyPath.HYBRID else {HUMAN, PLANS, BLOCK, PASSAGE, SAID}
        assert expected <= canaries_in(await all_answers(one))


@pytest.mark.parametrize("person", [BROWSER, SESSION, ""])
async def test_nor_from_the_snapshot_that_is_kept_while_letta_is_away(tmp_path: Path, person: str) -> None:
    async with House.open(tmp_path) as house:
        there = await house.world.letta.load_blocks(house.world.agent)
        blocks = [replace(block, value=block.value.replace(HUMAN, KEPT)) for block in there.blocks]
        kept = Snapshot(house.world.agent, "Ada", tuple(blocks), EARLIER)
        await Snapshots(house.world.database).keep(kept)
        house.world.letta.away = True
        one, greeting = await visit(house, house.job(house.binding(), person), deadline=0.2)
        given = await all_answers(one)
        assert canaries_in(greeting + given) == set()
        assert "Sell boats" in given
        owner, _ = await visit(house, house.job(house.binding(), OWNER), deadline=0.2)
        assert KEPT in await owner.ask(QUESTIONS[0]), "the owner has the last that was read"


@pytest.mark.parametrize("path", list(ReplyPath))
@pytest.mark.parametrize("speaker", [BEN, SESSION, ""])
async def test_in_a_shared_room_nobody_hears_what_who_came_first_told(
    tmp_path: Path, speaker: str, path: ReplyPath
) -> None:
    async with House.open(tmp_path) as house:
        one, greeting = await visit(house, house.job(house.binding(path), ANNA, "b", RoomPolicy.SHARED))
        assert canaries_in(greeting + await all_answers(one, speaker)) == set()


@pytest.mark.parametrize("path", list(ReplyPath))
async def test_a_known_person_hears_their_own(tmp_path: Path, path: ReplyPath) -> None:
    async with House.open(tmp_path) as house:
        one, _ = await visit(house, house.job(house.binding(path), ANNA, "b"))
        assert canaries_in(await all_answers(one)) == {ANNAS, ANNA_SAID}


@pytest.mark.parametrize("path", list(ReplyPath))
async def test_a_block_that_is_opened_is_heard_by_whom_it_is_opened_to(tmp_path: Path, path: ReplyPath) -> None:
    async with House.open(tmp_path) as house:
        for audience, heard in ((Audience.EVERYONE, (BROWSER, BEN)), (Audience.KNOWN, (BEN,)), (Audience.OWNER, ())):
            for person in (BROWSER, BEN):
                one, _ = await visit(house, house.job(house.binding(path, plans=audience), person, "b"))
                question = f"{audience}: what are my plans?"
                assert canaries_in(await one.ask(question)) == ({PLANS} if person in heard else set()), audience


async def test_what_one_says_in_a_shared_room_is_recalled_for_nobody_else(tmp_path: Path) -> None:
    """Also where nothing of it is kept: their turns stand under one session."""
    async with House.open(tmp_path) as house:
        one, _ = await visit(house, house.job(house.binding(), ANNA, "b", RoomPolicy.SHARED))
        await one.ask("My cat is called Marzipan.", SESSION)
        assert "Marzipan" in await one.ask("What is my cat called?", SESSION)
        assert "Marzipan" not in await one.ask("What is my cat called, please?", "session:other")


async def test_a_change_in_letta_brings_nothing_to_a_stranger_either(tmp_path: Path) -> None:
    async with House.open(tmp_path) as house:
        one, _ = await visit(house, house.job(house.binding(), BROWSER))
        await house.world.letta.edit_block(house.world.agent, "human", f"Their cat is called {KEPT}.")
        await house.world.letta.edit_block(house.world.agent, "task", "Sell planes.")
        changed = await one.memory.next_change(house.world.agent, 0.01, Listener.in_room(one.job, one.job.agent))
        assert (canaries_in(repr(changed)), "Sell planes" in repr(changed)) == (set(), True)
