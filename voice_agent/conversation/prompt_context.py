"""Prompt context of a binding: what its assistant remembers, and the prompt that is built from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from livekit.agents import llm

from voice_agent import clock
from voice_agent.contracts import AgentBinding, JobMetadata, RoomPolicy
from voice_agent.conversation.history import compact
from voice_agent.conversation.livekit_agent import LiveKitAgent
from voice_agent.conversation.speakers import nobody
from voice_agent.errors import Temporary
from voice_agent.languages import AUTO, LANGUAGES, Language, find, primary
from voice_agent.memory.access import Memory, continuity_key, room_thread
from voice_agent.memory.audience import Listener
from voice_agent.memory.loader import LoadResult
from voice_agent.memory.model import Snapshot, Turn
from voice_agent.memory.prompt import build_prompt, speaking_now
from voice_agent.registry.people import PersonKind


@dataclass(frozen=True, slots=True)
class _Kept:
    """A conversation that may be resumed."""

    history: tuple[llm.ChatItem, ...] = ()
    left_history: str = ""
    earlier: tuple[Turn, ...] = ()


class PromptContext:
    """Three things in one prompt: the agent's memory, what was said last time, and what had to leave the history.

    In a shared room the prompt holds nothing about any person: what is known of the speaker comes with each turn.
    """

    def __init__(self, memory: Memory, livekit_agent: LiveKitAgent, job: JobMetadata) -> None:
        self._memory = memory
        self._livekit_agent = livekit_agent
        self._job = job
        self._several = job.policy.of_several
        self._speaker = nobody(job) if self._several else job
        self._spoken: set[str] = set()
        """Threads of the speakers of this episode, in a shared room."""
        self._memory_prompt = ""
        self.blocks_whole = False
        """Every memory block stands in the prompt uncut."""
        self._left_history = ""
        self._kept = _Kept()
        self._heard_language = ""
        """Code of the language that was spoken last; empty: nothing was said yet."""
        self.bind(job.agent)

    def bind(self, agent: AgentBinding) -> None:
        """Switch to another assistant; nothing of the previous one is left."""
        self.agent = agent
        self.thread = room_thread(self._job, agent)
        self.snapshot: Snapshot | None = None
        self._earlier: list[Turn] = []
        self._heard_language = ""
        self._memory_prompt = ""
        self._kept = _Kept()

    @property
    def language(self) -> Language:
        return find(self._heard_language or self.agent.language)

    async def heard_in(self, tag: str) -> bool:
        """Take the language of what was said, where the assistant's is to be recognised. True: it has changed."""
        if self.agent.language != AUTO or primary(tag) not in LANGUAGES:
            return False
        before, self._heard_language = self.language, primary(tag)
        if self.language is before:
            return False
        await self.take(self.snapshot)
        return True

    @property
    def of_earlier_visits(self) -> bool:
        return bool(self._earlier)

    @property
    def earlier(self) -> Sequence[Turn]:
        """Last turns of earlier visits, oldest first."""
        return self._earlier

    async def drop_forgotten(self) -> None:
        """Something of earlier visits may have been forgotten while nobody was here."""
        gone: Collection[str] = ()
        if self._earlier:
            with suppress(Temporary):  # database unavailable: nothing can have been forgotten either
                gone = await self._memory.forgotten_among(self.quoted)
        if gone:
            self._earlier = [turn for turn in self._earlier if turn.turn_id not in gone]
            await self.take(self.snapshot)

    @property
    def quoted(self) -> list[str]:
        """Ids of turns of earlier visits in the prompt."""
        return [turn.turn_id for turn in self._earlier]

    @property
    def quoted_before(self) -> list[str]:
        """The same of the conversation that may be resumed."""
        return [turn.turn_id for turn in self._kept.earlier]

    @property
    def policy(self) -> RoomPolicy:
        return self._job.policy

    @property
    def listener(self) -> Listener:
        return Listener.in_room(self._job, self.agent)

    @property
    def whose(self) -> tuple[str, str, str]:
        """Owner of the facts to recall: the assistant's Letta agent, the person who spoke last, their session."""
        unknown = self._nobody if self._several else ""
        return self.agent.letta_agent_id, self._speaker.person_id or unknown, self._speaker.session_id

    @property
    def who_speaks(self) -> str:
        """The speaker, for the prompt of a turn; empty where there is one person, whom the prompt names anyway."""
        return speaking_now(self._speaker.user_name) if self._several else ""

    async def hear(self, speaker: JobMetadata, agent: AgentBinding, episode: int) -> str:
        """Set the current speaker (see Speakers.about). Returns the thread that takes what they say."""
        self._speaker = speaker
        if not self._several:
            return self.thread
        thread = continuity_key(speaker, agent)
        if thread not in self._spoken:
            await self._memory.meet(thread, agent, speaker.person_id, episode)
            self._spoken.add(thread)
        return thread

    async def allow_reflection(self) -> None:
        """Allow the reflection of what was said so far."""
        for thread in (self.thread, *self._spoken):
            await self._memory.allow_reflection(thread)

    async def load(self, episode: int, deadline: float) -> LoadResult:
        listener, agent = self.listener, self.agent.letta_agent_id
        result, self._earlier, _ = await asyncio.gather(
            self._memory.load(agent, deadline, listener),
            self._memory.begin_episode(self.thread, agent, episode, listener, self._job.continues),
            self._prepare(deadline),
        )
        return result

    async def _prepare(self, deadline: float) -> None:
        if self._several:
            await self.allow_reflection()
            self._spoken.clear()
        else:
            person, name = self._job.person_id, self._job.user_name
            await self._memory.prepare(self.thread, self.agent, person, name, deadline)

    async def next_change(self, every: float) -> Snapshot:
        """Wait for a change of the memory in Letta by others; return the new snapshot."""
        return await self._memory.next_change(self.agent.letta_agent_id, every, self.listener)

    @property
    def _nobody(self) -> str:
        """A person without facts; an empty id would mean the owner, whose facts the assistant's own agent holds."""
        return f"{PersonKind.SESSION}:{self._job.room_name}"

    async def take(self, snapshot: Snapshot | None) -> tuple[str, ...]:
        """Use this memory from now on. Returns the labels of the blocks that had to be shortened."""
        self.snapshot = snapshot
        name = "" if self._several else self._job.user_name
        prompt = build_prompt(
            self.agent,
            snapshot,
            user_name=name,
            last_turns=self._earlier,
            today=clock.today(),
            language=self.language,
        )
        self._memory_prompt, self.blocks_whole = prompt.text, not prompt.truncated
        await self._instruct()
        return prompt.truncated

    async def compact(self) -> bool:
        """Keep the history within its budget, whatever the length of the episode. True: something left it."""
        cut = compact(self._livekit_agent.said(), self._left_history)
        if cut.drop:
            self._left_history = cut.summary
            await self._livekit_agent.drop_oldest(cut.drop)
            await self._instruct()
        return cut.drop > 0

    async def forget_said(
        self, turn_ids: Collection[str], kept: Callable[[Sequence[llm.ChatItem]], list[llm.ChatItem]]
    ) -> None:
        """Remove these turns from the prompt. The summary of what left the history may repeat them: drop it whole."""
        self._earlier = [turn for turn in self._earlier if turn.turn_id not in turn_ids]
        self._left_history = ""
        await self._livekit_agent.keep(kept)
        await self.take(self.snapshot)

    async def forget_episode(self, *, kept: bool = False) -> None:
        """`kept`: a human who was lost may come back, then `resume` restores it; no other visit gets it."""
        history = tuple(self._livekit_agent.exchange())
        self._kept = _Kept(history, self._left_history, tuple(self._earlier)) if kept else _Kept()
        await self._livekit_agent.forget()
        self._left_history = ""

    async def resume(self) -> None:
        kept, self._kept = self._kept, _Kept()
        self._earlier, self._left_history = [*kept.earlier], kept.left_history
        await self._livekit_agent.go_on(kept.history)
        await self.take(self.snapshot)

    async def _instruct(self) -> None:
        earlier = f"\n\nWhat was said before in this conversation:\n{self._left_history}"
        await self._livekit_agent.update_instructions(self._memory_prompt + (earlier if self._left_history else ""))
