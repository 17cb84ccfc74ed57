"""Rewriter of Letta conversations that hold something forgotten: Letta cannot delete a single message.

One transaction in our database stores the conversation as the old one and makes its remaining turns pending again. The
drainer writes them into another conversation, exactly once like all turns. Then the old one is deleted, which may
happen twice. Whenever a process dies, the next one continues: in the end there is one complete conversation.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from voice_agent.contracts import LogEvent
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.memory.drainer import AgentLocks
from voice_agent.memory.facts.block import as_block
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.homes import Homes
from voice_agent.memory.model import FACTS, LettaPort
from voice_agent.memory.snapshots import Snapshots
from voice_agent.memory.threads import Rewrite, Rewriting, Threads
from voice_agent.observe.log import ReconnectLog

_PATIENCE: Final = 120.0
"""Seconds to wait for Letta's run in the old conversation to end, and for the archive to update our block."""
_TRY_AGAIN: Final = 30.0


class Rewriter:
    def __init__(
        self,
        threads: Threads,
        facts: FactStore,
        homes: Homes,
        snapshots: Snapshots,
        letta: LettaPort,
        log: ReconnectLog,
        locks: AgentLocks,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = threads
        self._facts = facts
        self._homes = homes
        self._snapshots = snapshots
        self._letta = letta
        self._log = log
        self._locks = locks
        self._clock = clock
        self._since: dict[str, float] = {}
        self._not_before: dict[str, float] = {}

    async def run_due(self) -> None:
        of_home: defaultdict[str, list[str]] = defaultdict(list)
        for row in await self._threads.to_rewrite():
            of_home[row.home].append(row.key)
        for home in of_home:
            if self._clock() < self._not_before.get(home, 0.0) or self._locks.of(home).locked():
                continue  # a busy agent delays no other; it is looked at again soon
            try:
                async with self._locks.of(home):
                    await self._home(home)
            except VoiceAgentError as error:
                if error.code is Code.DATABASE_UNAVAILABLE:
                    raise
                self._not_before[home] = self._clock() + _TRY_AGAIN
                self._log.bind(agent=home).write(LogEvent.MEMORY_FAILED, what="rewriting", **error.as_dict())
        self._since = {home: since for home, since in self._since.items() if home in of_home}

    async def _home(self, home: str) -> None:
        """All rows of one home, while nothing else is written to it."""
        for row in await self._rows(home):
            if row.rewrite is Rewrite.WHOLE and row.old_conversation is None:
                await self._threads.begin_anew(row.key)
        rows = await self._rows(home)
        waited = self._clock() - self._since.setdefault(home, self._clock())
        if waited < _PATIENCE and not await self._may_go(home, rows):
            return
        try:
            # The old conversations too: Letta keeps the prompt of a deleted conversation.
            await self._letta.recompile_all(home)
        except Permanent as error:
            if error.code is not Code.AGENT_NOT_FOUND:
                raise  # otherwise the home is gone with all its conversations
        for row in rows:
            if row.old_conversation is not None:
                await self._letta.delete_conversation(row.old_conversation)
        await self._snapshots.forget(home)  # it was taken before our block was updated
        for row in rows:
            await self._threads.rewritten(row)
        self._since.pop(home, None)

    async def _may_go(self, home: str, rows: Sequence[Rewriting]) -> bool:
        """Whether our block is free of what was forgotten, and no run of Letta is active in an old conversation."""
        block = await self._letta.get_block(home, FACTS) if await self._letta.get_agent(home) is not None else None
        if block is not None and block.written is not None:
            facts = await self._facts.of_person(*await self._homes.lives_in(home))
            if block.value != as_block(facts):
                return False
        for row in rows:
            if row.old_conversation is not None and await self._letta.run_is_active(row.old_conversation):
                return False
        return True

    async def _rows(self, home: str) -> list[Rewriting]:
        return [row for row in await self._threads.to_rewrite() if row.home == home]
