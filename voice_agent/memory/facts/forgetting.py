"""Forgetting: facts lose their text, and so does everything that told or repeats them.

At once, in our database: the facts, those that they replaced, every turn of the person that tells one of them (in what
was said or in the answer), their vectors and the kept snapshots. Tombstones without content stay, so that nothing
brings them back. Soon after, in Letta (facts/archive.py, memory/rewriting.py): passages, our block, and every
conversation that held such a turn, which is rewritten without it.

What cannot be erased from here: the rows of a deleted conversation, which Letta marks as deleted, gives to no client
and keeps in its database until the agent is deleted (`forget_all` deletes a person's home; the assistant's own agent,
which is the owner's home, stays; deleting single messages or runs fails in Letta 0.16.8); what Letta's own tools, or
persons by hand, wrote into other blocks; traces of a foreign Letta that keeps them (LETTA_TRACK_PROVIDER_TRACE, off in
ours; they cannot be deleted); what a provider of language models or a backup keeps; logs, where spoken words are
logged. A rewritten conversation begins with the oldest turn that is still kept here as a transcript.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, or_, select

from voice_agent.contracts import LogEvent
from voice_agent.errors import VoiceAgentError
from voice_agent.memory.facts.decide import GLUE, is_same
from voice_agent.memory.facts.fact import Fact, FactState
from voice_agent.memory.facts.read_back import LONGEST
from voice_agent.memory.facts.retelling import Signs, digest, signs
from voice_agent.memory.facts.statements import told
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.memory.facts.tables import vectors
from voice_agent.memory.facts.wishes import forget_wish
from voice_agent.memory.homes import Homes, lives_in_the_assistant
from voice_agent.memory.model import LettaPort
from voice_agent.memory.recall.index import WordingIndex, as_said
from voice_agent.memory.recall.recall import text_hash
from voice_agent.memory.recall.told import wordings
from voice_agent.memory.snapshots import Snapshots
from voice_agent.memory.tables import turns
from voice_agent.memory.text import content
from voice_agent.observe.log import BoundLog, ReconnectLog
from voice_agent.storage.database import Database

_PAGE: Final = 500
_ENOUGH: Final = 0.5
"""Share of a description's words that a fact must hold to be meant."""


@dataclass(frozen=True, slots=True)
class _Text:
    """What was said in a turn, and the answer."""

    turn_id: str
    user: str
    assistant: str


@dataclass(frozen=True, slots=True)
class DeletedConversation:
    turns: int
    facts: int
    """Facts that were learned from it."""


class Forgetting:
    def __init__(self, database: Database, letta: LettaPort, log: ReconnectLog | BoundLog) -> None:
        self._database = database
        self._letta = letta
        self._log = log
        self._store = FactStore(database)
        self._homes = Homes(database, letta)
        self._snapshots = Snapshots(database)

    async def matching(self, owner: Owner, what: str) -> list[Fact]:
        """Known facts that a description means."""
        return meant(what, await self._store.known(owner))

    async def forget(self, owner: Owner, fact_ids: Collection[str]) -> int:
        """Returns how many facts are forgotten: these, those that they replaced, and others that say the same."""
        every = await self._store.of_person(owner.letta_agent_id, owner.person_id)
        going = with_their_like(fact_ids, every)
        if not going:
            return 0
        kept = [fact.text for fact in every if fact not in going and fact.text]
        texts = await self._texts_of({fact.turn_id for fact in going if fact.turn_id})
        by = [signs(fact.text, texts[fact.turn_id].user if fact.turn_id in texts else "", kept) for fact in going]
        retold = await self._retold(owner, by)
        await self._forget(owner, going, retold | {fact.turn_id for fact in going if fact.turn_id})
        await self._foreign_passages(owner, by)
        return len(going)

    async def forget_unlearned(self, owner: Owner, what: str) -> int:
        """Forget turns from which no facts were extracted yet. Returns how many of them told it."""
        waiting = [
            Fact(turn_id, owner.letta_agent_id, owner.person_id, statement, said_at)
            for turn_id, said, said_at in await self._store.unlearned(owner, "")
            if forget_wish(said) is None and (statement := told(said))
        ]
        found = meant(what, waiting)
        if found:
            kept = [fact.text for fact in await self._store.known(owner)]
            by = [signs(statement.text, statement.text, kept) for statement in found]
            retold = await self._retold(owner, by)
            await self._forget(owner, [], retold | {statement.fact_id for statement in found})
        return len(found)

    async def forget_all(self, owner: Owner) -> int:
        """Also what never became a fact: all turns of this person, and their home in Letta with its contents."""
        every = await self._store.of_person(owner.letta_agent_id, owner.person_id)
        going = [fact for fact in every if fact.state is not FactState.FORGOTTEN]
        said: set[str] = set()
        after = 0
        while page := await self._page(owner, after):
            said |= {text.turn_id for text in page[0]}
            after = page[1]
        await self._forget(owner, going, said | {fact.turn_id for fact in going if fact.turn_id})
        if not lives_in_the_assistant(owner.person_id):
            try:
                await self._homes.forget(owner.letta_agent_id, owner.person_id)
            except VoiceAgentError as error:  # its passages and conversations are removed one by one
                self._report(owner, error)
        return len(going)

    async def forget_conversation(self, person_id: str, session_id: str) -> DeletedConversation:
        """What the person said in a session, with the answers and the facts that were learned from it.

        Facts that they told elsewhere stay, also those that replaced one of these.
        """
        spoken = await self._spoken_in(person_id, session_id)
        facts = 0
        for letta_agent_id, texts in spoken.items():
            owner = Owner(letta_agent_id, person_id)
            every = await self._store.of_person(letta_agent_id, person_id)
            going = [fact for fact in every if fact.turn_id in texts and fact.state is not FactState.FORGOTTEN]
            kept = [fact.text for fact in every if fact not in going and fact.text]
            by = [signs(fact.text, texts[fact.turn_id].user, kept) for fact in going]
            await self._forget(owner, going, texts)
            if by:
                await self._foreign_passages(owner, by)
            facts += len(going)
        return DeletedConversation(sum(map(len, spoken.values())), facts)

    async def _forget(self, owner: Owner, going: Sequence[Fact], turn_ids: Collection[str]) -> None:
        home = await self._homes.home(owner.letta_agent_id, owner.person_id)
        # Before the facts: the cache can be rebuilt, and without the facts it is unknown what to delete from it.
        await self._drop_vectors(going)
        of_person = (owner.letta_agent_id, owner.person_id)
        marks = {digest(of_person, fact.text) for fact in going}
        await self._store.forget(owner, [fact.fact_id for fact in going], turn_ids, digests=marks, home=home)
        if home is not None:
            await self._snapshots.forget(home)
        line = self._log.bind(agent=owner.letta_agent_id)
        line.write(LogEvent.FACTS_FORGOTTEN, facts=len(going), turns=len(turn_ids))

    async def _drop_vectors(self, going: Sequence[Fact]) -> None:
        of = vector_hashes([(fact.text, fact.said) for fact in going])
        async with self._database.begin() as connection:
            for some in _few(sorted(of)):
                await connection.execute(delete(vectors).where(vectors.c.text_hash.in_(some)))

    async def _foreign_passages(self, owner: Owner, by: Sequence[Signs]) -> None:
        """Passages without tags, written by others. The archive deletes those that carry the tag of a fact of ours.
        A passage that is missed here is recognised by its digest when it comes back word for word
        (facts/read_back.py)."""
        home = await self._homes.home(owner.letta_agent_id, owner.person_id)
        if home is None:
            return
        try:
            for passage in await self._letta.passages(home):
                short = len(passage.text) <= LONGEST
                if short and not passage.tags and any(one.told_in(passage.text) for one in by):
                    mark = digest((owner.letta_agent_id, owner.person_id), passage.text)
                    await self._store.forget_texts(owner, [mark])
                    await self._letta.delete_passage(home, passage.id)
        except VoiceAgentError as error:
            self._report(owner, error)

    # --- what was said ---

    async def _retold(self, owner: Owner, by: Sequence[Signs]) -> set[str]:
        found: set[str] = set()
        after = 0
        while page := await self._page(owner, after):
            texts, after = page
            found |= await asyncio.to_thread(retelling, texts, by)
        return found

    async def _page(self, owner: Owner, after: int) -> tuple[list[_Text], int] | None:
        query = (
            select(turns.c.seq, turns.c.turn_id, turns.c.user_text, turns.c.assistant_text)
            .where(turns.c.person_id == owner.person_id, turns.c.letta_agent_id == owner.letta_agent_id)
            .where(turns.c.seq > after, or_(turns.c.user_text != "", turns.c.assistant_text != ""))
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(turns.c.seq).limit(_PAGE))).all()
        return ([_Text(row[1], row[2], row[3]) for row in rows], rows[-1][0]) if rows else None

    async def _spoken_in(self, person_id: str, session_id: str) -> dict[str, dict[str, _Text]]:
        """Letta agent → the person's turns of a session."""
        query = select(turns.c.letta_agent_id, turns.c.turn_id, turns.c.user_text, turns.c.assistant_text)
        of_person = turns.c.person_id == person_id, turns.c.session_id == session_id
        found: defaultdict[str, dict[str, _Text]] = defaultdict(dict)
        async with self._database.read() as connection:
            for agent, turn_id, user, assistant in await connection.execute(query.where(*of_person)):
                found[agent][turn_id] = _Text(turn_id, user, assistant)
        return found

    async def _texts_of(self, turn_ids: Collection[str]) -> dict[str, _Text]:
        found: dict[str, _Text] = {}
        for some in _few(sorted(turn_ids)):
            query = select(turns.c.turn_id, turns.c.user_text, turns.c.assistant_text)
            async with self._database.read() as connection:
                for row in await connection.execute(query.where(turns.c.turn_id.in_(some))):
                    found[row[0]] = _Text(*row)
        return found

    def _report(self, owner: Owner, error: VoiceAgentError) -> None:
        line = self._log.bind(agent=owner.letta_agent_id)
        line.write(LogEvent.MEMORY_FAILED, what="forgetting", **error.as_dict())


def vector_hashes(told: Collection[tuple[str, str]]) -> set[str]:
    """Keys of the vectors of facts, each given by its text and what was said."""
    return {text_hash(text) for fact, said in told for text in (as_said(fact), *wordings(said))}


def meant(what: str, known: Sequence[Fact]) -> list[Fact]:
    """The facts that hold the most words of a description, and at least half of them."""
    asked = {word for word in content(what) if word not in GLUE} or set(content(what))
    index = WordingIndex()
    by_id = {fact.fact_id: fact for fact in known}
    for fact in known:
        index.put(fact.fact_id, fact.text, None)
    hits = [by_id[hit.key] for hit in index.search(what, None, len(known))]
    # Words by which facts are phrased ("name", "live") break ties.
    phrased = set(content(what)) - asked
    shares = [(len(asked & set(content(fact.text))), len(phrased & set(content(fact.text)))) for fact in hits]
    best = max(shares, default=(0, 0))
    if not asked or best[0] < _ENOUGH * len(asked):
        return []
    return [fact for fact, share in zip(hits, shares, strict=True) if share == best]


def with_their_like(fact_ids: Collection[str], every: Sequence[Fact]) -> list[Fact]:
    """These facts with all that they replaced, and the known facts that say the same and perhaps more."""
    by_id = {fact.fact_id: fact for fact in every if fact.state is not FactState.FORGOTTEN}
    asked = [by_id[fact_id] for fact_id in fact_ids if fact_id in by_id]
    known = [fact for fact in by_id.values() if fact.state is FactState.KNOWN]
    going = {one.fact_id for one in (*asked, *(k for k in known if any(is_same(a.text, k.text) for a in asked)))}
    while more := {by_id[one].replaces for one in going if by_id[one].replaces in by_id} - going:
        going |= more
    return [fact for fact in every if fact.fact_id in going]


def retelling(texts: Sequence[_Text], by: Sequence[Signs]) -> set[str]:
    """Turns that tell one of the facts, question and answer taken together, or name one in a wish to forget it."""
    found: set[str] = set()
    for text in texts:
        said = f"{text.user} {text.assistant}"
        wish = forget_wish(text.user) is not None
        if any(one.told_in(said) or (wish and one.touched_in(text.user)) for one in by):
            found.add(text.turn_id)
    return found


def _few(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[start : start + _PAGE] for start in range(0, len(values), _PAGE)]
