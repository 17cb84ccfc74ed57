"""Memory worker: work outside conversations. It drains the outbox, adopts orphaned turns, extracts facts, reflects,
archives, rewrites conversations, warns and deletes old data. One process does this at a time (single_instance.py);
every long-lived process (`serve`, each worker) tries to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from voice_agent.contracts import LogEvent
from voice_agent.errors import Code, VoiceAgentError
from voice_agent.memory.drainer import AgentLocks, Drainer
from voice_agent.memory.facts.archive import Archive
from voice_agent.memory.facts.learner import Learner
from voice_agent.memory.facts.propose import Proposer
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.homes import Homes
from voice_agent.memory.model import LettaPort
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.reflection import Reflection
from voice_agent.memory.rewriting import Rewriter
from voice_agent.memory.single_instance import StillMine, single_instance
from voice_agent.memory.snapshots import Snapshots
from voice_agent.memory.threads import Threads
from voice_agent.observe.log import ReconnectLog
from voice_agent.settings import Settings
from voice_agent.storage.database import Database

_LOOK_AGAIN: Final = 0.5
"""Polling interval while people talk: other processes fill the outbox, and SQLite sends no notifications."""
_LINGER: Final = 30.0
"""Seconds for which this interval stays after the last turn."""
_LOOK_SELDOM: Final = 3.0
"""Polling interval otherwise. A turn is open for as long as it is spoken, so it is seen before it is finished."""
_AT_REST: Final = 12.0
"""The same for work that follows from turns, or from changes in the page: no caller waits for it."""
_ADOPT_EVERY: Final = 5.0
_TIDY_EVERY: Final = 60.0
_WARN_AT: Final = 0.8

ForgetOld = Callable[[], Awaitable[None]]
"""Deletes data that is older than its retention time (rooms/retention.py)."""
DeletePeople = Callable[[AgentLocks, Callable[[], Collection[str]]], Awaitable[bool]]
"""Finishes deletions of people, given what else is being written to Letta: the locks of agents and the threads whose
turns are on their way (rooms/deletion.py). Returns whether some are left."""
AliveSessions = Callable[[], Awaitable[Collection[str]]]
"""Sessions with a live job. Called after the open turns were read, so a job that starts in between loses none."""


class MemoryWorker:
    def __init__(
        self,
        settings: Settings,
        database: Database,
        letta: LettaPort,
        log: ReconnectLog,
        alive: AliveSessions,
        proposer: Proposer,
        forget_old: ForgetOld,
        *,
        letta_tools: bool = False,
        delete_people: DeletePeople | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`letta_tools`: whether the language model can use Letta's own memory tools; a small one fails at it for
        minutes and delays all other work (reflection.py)."""
        self._settings = settings
        self._database = database
        self._outbox = Outbox(database, settings.outbox_limit)
        threads, locks = Threads(database), AgentLocks()
        homes = Homes(database, letta)
        self._drainer = Drainer(self._outbox, threads, homes, letta, log, locks)
        facts = FactStore(database)
        self._learner = Learner(database, proposer, log)
        self._archive = Archive(facts, homes, letta, log)
        self._reflection = Reflection(self._outbox, threads, homes, letta, log, locks, facts=facts, enabled=letta_tools)
        self._rewriter = Rewriter(threads, facts, homes, Snapshots(database), letta, log, locks)
        self._log = log
        self._alive = alive
        self._forget_old = forget_old
        self._delete_people = delete_people
        self._locks = locks
        self._facts_at_rest = asyncio.Lock()
        """Held by who moves facts between the database and Letta: a deleted person's must not come back."""
        self._clock = clock
        self._sleep = sleep
        self._busy_until = clock()
        self._warned = False

    async def run(self) -> None:
        """Runs until cancelled. An unavailable database does not end it: the work starts again."""
        while True:
            try:
                path = self._settings.home / "drainer.lock"
                async with single_instance(self._database, path, self._settings.effective_letta_url) as still_mine:
                    await self._work(still_mine)
            except* VoiceAgentError as errors:
                self._log.write(LogEvent.MEMORY_FAILED, what="worker", message=str(_first(errors)))
                await self._sleep(_LOOK_AGAIN)

    async def _work(self, still_mine: StillMine) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._drain(still_mine), name="memory-worker:drain")
            group.create_task(self._every(_ADOPT_EVERY, self.adopt_orphans), name="memory-worker:adopt")
            group.create_task(self._every(None, self._reflection.run_due), name="memory-worker:maintenance")
            group.create_task(self._every(None, self._learner.run_due), name="memory-worker:learn")
            group.create_task(self._every(None, self._archive_facts), name="memory-worker:archive")
            group.create_task(self._every(None, self._rewriter.run_due), name="memory-worker:rewriting")
            group.create_task(self._every(_TIDY_EVERY, self.tidy), name="memory-worker:tidy")
            if self._delete_people is not None:
                group.create_task(self._delete(self._delete_people), name="memory-worker:delete-people")

    async def _drain(self, still_mine: StillMine) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                await still_mine()
                if await self._drainer.start_due(group):
                    self._busy_until = self._clock() + _LINGER
                await self._sleep(self._pace(_LOOK_SELDOM))

    async def _every(self, seconds: float | None, act: Callable[[], Awaitable[None]]) -> None:
        """None: often while people talk, seldom otherwise."""
        while True:
            await act()
            await self._sleep(self._pace(_AT_REST) if seconds is None else seconds)

    async def _archive_facts(self) -> None:
        async with self._facts_at_rest:
            await self._archive.run_due()

    async def _delete(self, delete_people: DeletePeople) -> None:
        while True:
            async with self._facts_at_rest:
                left = await delete_people(self._locks, lambda: self._drainer.at_work)
            await self._sleep(_LOOK_AGAIN if left else _LOOK_SELDOM)

    def _pace(self, at_rest: float) -> float:
        return _LOOK_AGAIN if self._clock() < self._busy_until else at_rest

    async def adopt_orphans(self) -> None:
        """Take over open turns whose job has died and whose session no other job has taken over."""
        if open_turns := await self._outbox.open_turns():
            alive = await self._alive()
            await self._outbox.adopt([turn for turn, session in open_turns.items() if session not in alive])

    async def tidy(self) -> None:
        await self._forget_old()
        fill = await self._outbox.fill()
        if fill >= _WARN_AT and not self._warned:
            self._log.write(
                LogEvent.NOTICE,
                severity="warning",
                code=Code.OUTBOX_FULL,
                message=f"{fill:.0%} of the turns that may wait for Letta are waiting.",
                remedy="Bring Letta back, or look at 'voice-agent memory pending'.",
            )
        self._warned = fill >= _WARN_AT


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
