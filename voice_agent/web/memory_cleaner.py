"""Deletes in Letta what was made for assistants that are deleted with their memory, or that were never saved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from voice_agent.contracts import LogEvent
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.memory.facts.forget_assistant import AssistantForgetting
from voice_agent.observe.log import ReconnectLog
from voice_agent.registry.model import OwnMemory
from voice_agent.registry.ports import LettaDirectory
from voice_agent.registry.store import SqlOwnMemoryStore

ABANDONED_AFTER: Final = 600.0
"""Seconds. No attempt to create an assistant takes this long."""
_PAUSE: Final = 60.0


class MemoryCleaner:
    def __init__(
        self,
        store: SqlOwnMemoryStore,
        letta: LettaDirectory,
        forgetting: AssistantForgetting,
        log: ReconnectLog,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._letta = letta
        self._forgetting = forgetting
        self._log = log
        self._clock = clock
        self._one = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.clean()
            await asyncio.sleep(_PAUSE)

    async def clean(self) -> bool:
        """False: something is left, to be tried again. Interrupted anywhere, it is repeated."""
        async with self._one:
            now = self._clock()
            await self._store.abandon(now - ABANDONED_AFTER, now)
            return all([await self._is_gone(memory) for memory in await self._store.leaving()])

    async def _is_gone(self, memory: OwnMemory) -> bool:
        try:
            for letta_agent_id in {*filter(None, [memory.letta_agent_id]), *await self._found(memory)}:
                await self._forgetting.forget(letta_agent_id)
                await self._delete(letta_agent_id)
        except VoiceAgentError as error:
            self._log.write(LogEvent.MEMORY_FAILED, what="deleting", agent=memory.agent_id, **error.as_dict())
            return False
        await self._store.gone(memory.agent_id)
        return True

    async def _found(self, memory: OwnMemory) -> list[str]:
        return list(await self._letta.find_assistants(memory.agent_id))

    async def _delete(self, letta_agent_id: str) -> None:
        try:
            await self._letta.delete_assistant(letta_agent_id)
        except Permanent as error:
            # Somebody took our tag away in Letta: it is theirs now.
            if error.code is not Code.BAD_REQUEST:
                raise
