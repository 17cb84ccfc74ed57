"""What a conversation asks of memory: one object per job."""

from __future__ import annotations

from typing import Final

from voice_agent.contracts import AgentBinding, JobMetadata
from voice_agent.memory.loader import LoadResult, MemoryLoader
from voice_agent.memory.model import LettaPort, Turn
from voice_agent.memory.outbox import Outbox, Threads, ThreadState
from voice_agent.storage.database import Database

_QUOTED_TURNS: Final = 6


def continuity_key(job: JobMetadata, agent: AgentBinding | None = None) -> str:
    """An authenticated user meets the same conversation in every session; anybody else only in their own."""
    who = f"user:{job.user_id}" if job.user_id else f"session:{job.session_id}"
    return f"{(agent or job.agent).agent_id}/{who}"


class Memory:
    def __init__(self, database: Database, letta: LettaPort) -> None:
        self.outbox = Outbox(database)
        self._threads = Threads(database)
        self._loader = MemoryLoader(letta)

    async def open(self, job: JobMetadata) -> ThreadState:
        """Make the thread known, take over what a dead job left, and say where the last job stopped."""
        thread = continuity_key(job)
        await self._threads.ensure(thread, job.agent.letta_agent_id)
        await self.outbox.adopt_abandoned(job.session_id)
        return await self._threads.state(thread)

    async def load(self, letta_agent_id: str, deadline: float) -> LoadResult:
        return await self._loader.load(letta_agent_id, deadline)

    async def begin_episode(self, thread: str, letta_agent_id: str, episode: int) -> list[Turn]:
        """Remember the count; give back what was said last in earlier episodes."""
        await self._threads.ensure(thread, letta_agent_id)
        await self._threads.set_episode(thread, episode)
        return await self.outbox.before_episode(thread, episode, _QUOTED_TURNS)

    async def remember_greeted(self, thread: str, sids: list[str]) -> None:
        """So that a job that replaces this one does not greet the same people again in mid-call."""
        await self._threads.set_greeted(thread, sids)
