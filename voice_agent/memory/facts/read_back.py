"""Read-back of facts from Letta: what was added, changed or deleted there is taken over."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence, Set
from datetime import datetime
from typing import Final, Protocol

from voice_agent import clock
from voice_agent.memory.facts.block import changes, line_of, text_and_day
from voice_agent.memory.facts.fact import ArchiveState, Fact, FactSource, FactState
from voice_agent.memory.facts.retelling import digest
from voice_agent.memory.model import FACTS, LettaPort, StoredBlock, StoredPassage, marked_fact, marked_turn

LONGEST: Final = 300
"""Characters. A longer passage is a piece of a document and no fact; search finds it."""


class ReadableFacts(Protocol):
    """The part of the fact store that read-back needs (see `ArchivableFacts`)."""

    async def of_person(self, letta_agent_id: str, person_id: str) -> list[Fact]: ...

    async def add(self, fact: Fact) -> None: ...

    async def set_state(self, fact_ids: Sequence[str], state: FactState) -> None: ...

    async def forgotten_digests(self, letta_agent_id: str, person_id: str) -> Set[str]: ...

    async def forgotten_among(self, turn_ids: Collection[str]) -> Set[str]: ...


class ReadBack:
    def __init__(self, facts: ReadableFacts, letta: LettaPort) -> None:
        self._facts = facts
        self._letta = letta

    async def run(self, letta_agent_id: str, person_id: str, home: str) -> StoredBlock | None:
        """Returns our block as it was taken over: only in this state may it be rewritten."""
        # Facts first: a fact that is archived after that is not mistaken for a deleted one.
        facts = await self._facts.of_person(letta_agent_id, person_id)
        passages = await self._letta.passages(home)
        forgotten = await self._forgotten(passages, facts, (letta_agent_id, person_id))
        for passage in passages:
            if passage.id in forgotten:
                await self._letta.delete_passage(home, passage.id)
            else:
                await self._passage(passage, facts, (letta_agent_id, person_id))
        await self._deleted(home, facts, {passage.id for passage in passages})
        return await self._block(home, (letta_agent_id, person_id))

    async def _forgotten(
        self, passages: Sequence[StoredPassage], facts: Sequence[Fact], person: tuple[str, str]
    ) -> set[str]:
        """Passages that bring back something forgotten: by the tag of the fact or of its turn, or word for word."""
        gone = {fact.fact_id for fact in facts if fact.state is FactState.FORGOTTEN}
        ours = {fact.fact_id for fact in facts} - gone
        turn_of = {passage.id: turn for passage in passages if (turn := marked_turn(passage.tags))}
        turns = await self._facts.forgotten_among(set(turn_of.values())) if turn_of else frozenset()
        digests = await self._facts.forgotten_digests(*person)
        found: set[str] = set()
        for passage in passages:
            mark = marked_fact(passage.tags)
            if mark in ours:
                continue
            told = turn_of.get(passage.id) in turns or mark in gone
            if told or (bool(digests) and digest(person, passage.text) in digests):
                found.add(passage.id)
        return found

    async def _passage(self, passage: StoredPassage, facts: Sequence[Fact], person: tuple[str, str]) -> None:
        mark = marked_fact(passage.tags)
        ours = next((fact for fact in facts if mark == fact.fact_id or passage.id == fact.passage_id), None)
        if ours is None:
            text = passage.text.strip()
            if text and len(text) <= LONGEST:
                await self._facts.add(
                    Fact(
                        fact_id=mark or _id("passage", passage.id),
                        letta_agent_id=person[0],
                        person_id=person[1],
                        text=text,
                        said_at=passage.created_at,
                        source=FactSource.LETTA,
                        archive_state=ArchiveState.DONE,
                        passage_id=passage.id,
                    )
                )
        elif (
            ours.state is FactState.KNOWN
            and ours.passage_id == passage.id
            and passage.text.strip() != ours.text.strip()
        ):
            await self._replace(ours, passage.text.strip(), ours.said_at)

    async def _deleted(self, home: str, facts: Sequence[Fact], there: set[str]) -> None:
        for fact in facts:
            if fact.state is not FactState.KNOWN or fact.archive_state is not ArchiveState.DONE or not fact.passage_id:
                continue
            # Forgetting is final, so a passage that is missing in Letta's answer is asked for once more.
            if fact.passage_id not in there and fact.passage_id not in {
                passage.id for passage in await self._letta.passages(home, fact.text)
            }:
                await self._facts.set_state([fact.fact_id], FactState.FORGOTTEN)

    async def _block(self, home: str, person: tuple[str, str]) -> StoredBlock | None:
        block = await self._letta.get_block(home, FACTS)
        if block is None or block.written is None or block.value == block.written:
            return block
        known = {line_of(fact): fact for fact in await self._facts.of_person(*person) if fact.state is FactState.KNOWN}
        changed = changes(block.written, block.value)
        for before, now in changed.edited:
            text, day = text_and_day(now)
            if before not in known:
                await self._add_line(now, person)
            elif text:
                await self._replace(known[before], text, day or known[before].said_at)
        for line in changed.added:
            if line not in known:
                await self._add_line(line, person)
        removed = [known[line].fact_id for line in changed.removed if line in known]
        if removed:
            await self._facts.set_state(removed, FactState.FORGOTTEN)
        return block

    async def _add_line(self, line: str, person: tuple[str, str]) -> None:
        text, day = text_and_day(line)
        if text and digest(person, text) not in await self._facts.forgotten_digests(*person):
            when = day or clock.now()
            fact_id = _id("line", *person, text)
            await self._facts.add(Fact(fact_id, *person, text=text, said_at=when, source=FactSource.LETTA))

    async def _replace(self, fact: Fact, text: str, said_at: datetime) -> None:
        """The new fact first: after a crash in between, the next read-back does the same again."""
        new = Fact(
            fact_id=_id("instead", fact.fact_id, text),
            letta_agent_id=fact.letta_agent_id,
            person_id=fact.person_id,
            text=text,
            said_at=said_at,
            source=FactSource.LETTA,
            replaces=fact.fact_id,
        )
        await self._facts.add(new)
        await self._facts.set_state([fact.fact_id], FactState.REPLACED)


def _is_changed(fact: Fact, passage: StoredPassage) -> bool:
    same = fact.state is FactState.KNOWN and fact.passage_id == passage.id
    return same and fact.text.strip() != passage.text.strip()


def _id(*of: str) -> str:
    """The same id for the same change, so that reading twice adds once."""
    return f"letta-{hashlib.sha256(chr(0).join(of).encode()).hexdigest()[:32]}"
