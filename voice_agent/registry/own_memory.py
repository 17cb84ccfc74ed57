"""Letta agents that are made for assistants: created once, whatever crashes between Letta and our database.

First it is noted in our database that one is made, then it is created in Letta with the assistant's id as a tag, then
its id is stored. An attempt that ended between these steps is taken up by the next one for the same assistant, which
finds the agent by its tag; without a next one `web/memory_cleaner.py` deletes it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.registry.model import AgentDraft
from voice_agent.registry.ports import LettaDirectory, OwnMemoryStore

PERSONA: Final = "persona"
TASK: Final = "task"
HUMAN: Final = "human"
CREATED_WITHIN: Final = 60.0
"""Deadline in seconds for everything that is asked of Letta for one assistant."""


def written(draft: AgentDraft) -> dict[str, str]:
    """The blocks that say what an assistant is."""
    return {PERSONA: f"I am {draft.name}.", TASK: draft.description}


class OwnMemories:
    def __init__(self, store: OwnMemoryStore, letta: LettaDirectory, clock: Callable[[], float]) -> None:
        self._store = store
        self._letta = letta
        self._clock = clock
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def one_at_a_time(self, agent_id: str) -> AsyncIterator[None]:
        """Around a change of an assistant, so that Letta is told in the order in which the changes are stored."""
        async with self._locks[agent_id]:
            yield

    async def ensure(self, agent_id: str, draft: AgentDraft) -> str:
        """The Letta agent of this assistant, made if missing, with what the draft says of it."""
        try:
            async with asyncio.timeout(CREATED_WITHIN):
                return await self._ensured(agent_id, draft)
        except TimeoutError:
            raise Temporary(
                Code.LETTA_UNAVAILABLE,
                f"Letta made no memory within {CREATED_WITHIN:g} s.",
                "Save again: what was begun is used. See 'voice-agent status'.",
            ) from None

    async def _ensured(self, agent_id: str, draft: AgentDraft) -> str:
        begun = await self._store.begin(agent_id, self._clock())
        if begun.leaving:
            raise _leaving()
        if begun.letta_agent_id:
            if await self._is_written(begun.letta_agent_id, draft):
                return begun.letta_agent_id
            await self._store.lost(agent_id, begun.letta_agent_id)
        found = [one for one in await self._letta.find_assistants(agent_id) if await self._is_written(one, draft)]
        if not found:
            blocks = {**written(draft), HUMAN: ""}
            found = [await self._letta.create_assistant(agent_id, draft.name, draft.description, blocks)]
        kept = await self._store.settle(agent_id, found[0])
        if kept is None:
            raise _leaving()
        for superfluous in found:
            if superfluous != kept:
                # Another process was faster. This one was never given to a caller, so it holds nothing.
                await self._letta.delete_assistant(superfluous)
        return kept

    async def _is_written(self, letta_agent_id: str, draft: AgentDraft) -> bool:
        """False: Letta does not have this agent any more."""
        try:
            await self._letta.write_assistant(letta_agent_id, draft.name, draft.description, written(draft))
        except Permanent as error:
            if error.code is not Code.AGENT_NOT_FOUND:
                raise
            return False
        return True


def _leaving() -> Temporary:
    return Temporary(
        Code.CONFLICT,
        "What an earlier attempt left of this assistant is being removed.",
        "Try again in a minute.",
    )
