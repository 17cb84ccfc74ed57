"""Archive: writes facts to Letta, each exactly once, as tagged passages, and the newest as a block.

A fact is marked SENDING before its passage is posted. A fact that is found SENDING is looked for by its tag before
anything is posted again. One process at a time works (see single_instance.py).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Sequence, Set
from typing import Final, Protocol

from voice_agent.contracts import LogEvent
from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.memory.facts.block import DESCRIPTION, as_block
from voice_agent.memory.facts.fact import ArchiveState, Fact, FactState
from voice_agent.memory.facts.read_back import ReadBack
from voice_agent.memory.homes import Homes
from voice_agent.memory.model import FACTS, LettaPort, StoredBlock, StoredPassage, fact_mark, fact_turn_mark
from voice_agent.observe.log import ReconnectLog

_BATCH: Final = 50
_GRACE: Final = 8.0
"""Seconds after the first doubt about a post; after that its request can no longer reach Letta."""
_ATTEMPTS: Final = 8
"""A fact that Letta did not take this often is parked; while Letta is away no attempt counts."""
_READ_BACK_EVERY: Final = 60.0
_READ_AT_ONCE: Final = 6
"""People per round."""
_LOOK_FOR_PEOPLE_EVERY: Final = 10.0

Person = tuple[str, str]
"""Assistant's Letta agent, and person."""


class ArchivableFacts(Protocol):
    """What the archive needs of the fact store."""

    async def archivable(self, limit: int) -> list[Fact]:
        """Oldest first: known facts that are PENDING or SENDING, and replaced or forgotten ones that Letta may still
        hold (PENDING, SENDING, or with a passage id)."""

    async def mark_archive(
        self, fact_ids: Sequence[str], state: ArchiveState, *, passage_id: str | None = None, note: str = ""
    ) -> None:
        """SENDING counts an attempt; None leaves the passage id as it is."""

    async def of_person(self, letta_agent_id: str, person_id: str) -> list[Fact]:
        """In every state, oldest first."""

    async def people(self) -> list[Person]:
        """All people of whom facts are kept."""

    async def add(self, fact: Fact) -> None:
        """Does nothing if a fact with this id exists, forgotten ones included."""

    async def set_state(self, fact_ids: Sequence[str], state: FactState) -> None:
        """FORGOTTEN deletes the text."""

    async def forgotten_digests(self, letta_agent_id: str, person_id: str) -> Set[str]:
        """Digests of what this person has forgotten (retelling.py)."""

    async def forgotten_among(self, turn_ids: Collection[str]) -> Set[str]:
        """Those of the turns from which something was forgotten."""


class Archive:
    def __init__(
        self,
        facts: ArchivableFacts,
        homes: Homes,
        letta: LettaPort,
        log: ReconnectLog,
        *,
        grace: float = _GRACE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._facts = facts
        self._homes = homes
        self._letta = letta
        self._log = log
        self._grace = grace
        self._clock = clock
        self._doubted: dict[str, float] = {}
        self._read_at: dict[Person, float] = {}
        self._nobody_before = clock()
        self._read_back = ReadBack(facts, letta)

    async def run_due(self) -> None:
        """Archive what is due, then read back a few people whose archive was not read for a while."""
        touched: dict[Person, bool] = {}
        for fact in await self._facts.archivable(_BATCH):
            person = (fact.letta_agent_id, fact.person_id)
            # If Letta does not take one fact, it is not asked for the others of the same person.
            if touched.get(person, True):
                touched[person] = await self._carried(fact)
        for person, well in touched.items():
            if well:
                await self._guarded(self._write_block(*person), person)
        await self._read_due()

    async def read_back(self, letta_agent_id: str, person_id: str) -> None:
        """Take over what was added, changed or deleted in Letta, then update our block."""
        home = await self._homes.home(letta_agent_id, person_id)
        if home is None:
            return
        try:
            taken = await self._read_back.run(letta_agent_id, person_id, home)
            await self._write_block(letta_agent_id, person_id, taken)
        except Permanent as error:
            if error.code is not Code.AGENT_NOT_FOUND or await self._letta.get_agent(home) is not None:
                raise
            await self._lost(letta_agent_id, person_id, home)

    async def _read_due(self) -> None:
        now = self._clock()
        if now < self._nobody_before:
            return
        due = [
            p for p in await self._facts.people() if now - self._read_at.get(p, -_READ_BACK_EVERY) >= _READ_BACK_EVERY
        ]
        if len(due) <= _READ_AT_ONCE:
            self._nobody_before = now + _LOOK_FOR_PEOPLE_EVERY
        for person in due[:_READ_AT_ONCE]:
            self._read_at[person] = now
            await self._guarded(self.read_back(*person), person)

    async def _guarded(self, work: Awaitable[None], person: Person) -> None:
        try:
            await work
        except VoiceAgentError as error:
            self._log.bind(agent=person[0]).write(LogEvent.MEMORY_FAILED, what="archive", **error.as_dict())

    # --- one fact ---

    async def _carried(self, fact: Fact) -> bool:
        """Whether Letta answered."""
        try:
            if fact.state is FactState.KNOWN:
                await self._keep(fact)
            else:
                await self._remove(fact)
        except Temporary as error:
            self._report(fact, error)
            return False
        except Permanent as error:
            self._report(fact, error)
            await self._refused(fact, error)
        return True

    async def _keep(self, fact: Fact) -> None:
        home = await self._homes.ensure(fact.letta_agent_id, fact.person_id)
        if fact.archive_state is ArchiveState.SENDING:
            if (held := await self._held(home, fact)) is not None:
                await self._done(fact, held.id)
                return
            if self._may_arrive(fact):
                return
        if fact.archive_attempts >= _ATTEMPTS:
            await self._park(fact, f"Letta failed {fact.archive_attempts} times to take this fact.")
            return
        await self._facts.mark_archive([fact.fact_id], ArchiveState.SENDING)
        tags = [fact_mark(fact.fact_id), *([fact_turn_mark(fact.turn_id)] if fact.turn_id else [])]
        self._doubted[fact.fact_id] = self._clock()
        await self._done(fact, await self._letta.add_passage(home, fact.text, tags, fact.said_at))

    async def _remove(self, fact: Fact) -> None:
        """Other clients of Letta are to see only what is true."""
        home = await self._homes.home(fact.letta_agent_id, fact.person_id)
        if home is not None and fact.passage_id:
            await self._letta.delete_passage(home, fact.passage_id)
        elif home is not None and fact.archive_state is not ArchiveState.PENDING:
            held = await self._held(home, fact)
            if held is not None:
                await self._letta.delete_passage(home, held.id)
            elif self._may_arrive(fact):
                return
        await self._done(fact, "")

    async def _held(self, home: str, fact: Fact) -> StoredPassage | None:
        """The passage with the fact's tag. Of several, which a late request may leave, the first is kept."""
        mark = fact_mark(fact.fact_id)
        held = [passage for passage in await self._letta.passages(home, fact.text) if mark in passage.tags]
        for superfluous in held[1:]:
            await self._letta.delete_passage(home, superfluous.id)
        return held[0] if held else None

    def _may_arrive(self, fact: Fact) -> bool:
        """Whether its request may still be on its way, also that of a process that died."""
        now = self._clock()
        return now - self._doubted.setdefault(fact.fact_id, now) < self._grace

    async def _done(self, fact: Fact, passage_id: str) -> None:
        await self._facts.mark_archive([fact.fact_id], ArchiveState.DONE, passage_id=passage_id)
        self._doubted.pop(fact.fact_id, None)

    async def _refused(self, fact: Fact, error: Permanent) -> None:
        if error.code is Code.BAD_REQUEST:
            await self._park(fact, str(error))
        elif error.code is Code.AGENT_NOT_FOUND:
            home = await self._homes.home(fact.letta_agent_id, fact.person_id)
            if await self._letta.get_agent(fact.letta_agent_id) is None:
                await self._park(fact, str(error))
            elif home is not None and await self._letta.get_agent(home) is None:
                await self._lost(fact.letta_agent_id, fact.person_id, home)

    async def _park(self, fact: Fact, why: str) -> None:
        await self._facts.mark_archive([fact.fact_id], ArchiveState.PARKED, note=why)
        self._doubted.pop(fact.fact_id, None)

    async def _lost(self, letta_agent_id: str, person_id: str, home: str) -> None:
        """The whole agent was deleted. That is no wish to forget each fact: another home gets them all."""
        await self._homes.lost(letta_agent_id, person_id, home)
        known = [f for f in await self._facts.of_person(letta_agent_id, person_id) if f.state is FactState.KNOWN]
        again = [fact.fact_id for fact in known if fact.archive_state is ArchiveState.DONE]
        await self._facts.mark_archive(again, ArchiveState.PENDING, passage_id="")

    # --- the block ---

    async def _write_block(self, letta_agent_id: str, person_id: str, taken: StoredBlock | None = None) -> None:
        """Write our block only if it is as we left it, or its changes were `taken` over; never another author's
        block."""
        home = await self._homes.home(letta_agent_id, person_id)
        if home is None:
            return
        value = as_block(await self._facts.of_person(letta_agent_id, person_id))
        there = await self._letta.get_block(home, FACTS)
        if there is None:
            due = bool(value)
        else:
            settled = there.written is not None and (there.value == there.written or there == taken)
            due = settled and (there.value, there.written) != (value, value)
        if due:
            await self._letta.set_block(home, FACTS, value, DESCRIPTION)

    def _report(self, fact: Fact, error: VoiceAgentError) -> None:
        line = self._log.bind(agent=fact.letta_agent_id, session=fact.session_id)
        line.write(LogEvent.MEMORY_FAILED, what="archive", fact_id=fact.fact_id, **error.as_dict())
