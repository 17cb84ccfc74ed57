"""Recall for a question: the facts of one person that answer it, or that nothing of it was ever told."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from sqlalchemy import select

from voice_agent.errors import VoiceAgentError
from voice_agent.memory.facts.decide import is_order
from voice_agent.memory.facts.fact import Fact, FactState, in_own_words
from voice_agent.memory.facts.own_name import naming
from voice_agent.memory.facts.statements import is_question, speaks_of_self, told
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.memory.facts.tables import vectors
from voice_agent.memory.recall.block_facts import from_block
from voice_agent.memory.recall.embedder import Embedder
from voice_agent.memory.recall.index import Vectors
from voice_agent.memory.recall.question import (
    NAMES_SOMEBODY,
    Question,
    asks_about_self,
    asks_everything,
    asks_own_name,
    entities,
    plainly,
    read,
)
from voice_agent.memory.recall.relevance import LIKELY, Evidence, Relevance, grade, relevance
from voice_agent.memory.recall.second_look import NoSecondLook, SecondLook
from voice_agent.memory.recall.told import Told
from voice_agent.memory.text import content_words, stem
from voice_agent.storage.database import Database, insert_if_absent

MOST: Final = 3
"""Facts in the prompt of one question (docs/measured.md has the curve); the best turn may bring one more."""
_CANDIDATES: Final = 24
"""Wordings; a turn has several."""
DOUBTFUL: Final = (-3.5, 0.5)
"""Range of relevance in which a second look decides: below it was not told, above it was (docs/measured.md)."""
_TOLD: Final = -1.0
"""Sum of relevance and log odds of the second look from which on it was told (docs/measured.md has the curve)."""
_LOOKED_AT: Final = 2
_CHARS_LOOKED_AT: Final = 150
"""Facts given to a second look, and the length up to which a second one is: the person waits while they are read."""
_BEHIND: Final = 3.0
"""Turns that are this much less relevant than the best one are not shown."""
_BY_WORDS: Final = 0.5
"""Stands in for similarity of meaning where words are shared and there are no vectors."""
_CLEAR: Final = 1.0
"""Lead of the best turn over the next one from which on it alone answers the question."""
_OVERVIEW: Final = 5
_AT_ONCE: Final = 64
"""Wordings that are embedded at a time: an index of thousands is of use while it grows."""


@dataclass(frozen=True, slots=True)
class Recalled:
    facts: tuple[Fact, ...] = ()
    sure: bool = True
    """False: they may answer the question, or not."""
    untold: bool = False
    """The question is about the person, and nothing was ever told that answers it."""
    score: float | None = None
    """How surely the best turn answers (`relevance.py`; with the odds of a second look, where one was taken)."""
    answer: Fact | None = None
    """The one fact that answers the question for sure; None: none does, or several may."""
    doubtful: bool = False
    """Only a second look, which was not taken, tells whether they answer the question."""
    milliseconds: float = 0.0


class Recall:
    """Recall for one person. Reads what has changed in the store since the last look; embeds only what is new. What
    memory blocks hold about the person counts, too (`take_blocks`)."""

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        owner: Owner,
        session_id: str = "",
        second_look: SecondLook | None = None,
    ) -> None:
        """`session_id`: what was said in this session counts, too, where nothing is learned from it."""
        self.owner = owner
        self._session_id = session_id
        self._database = database
        self._store = FactStore(database)
        self._embedder = embedder
        self._second_look = second_look or NoSecondLook()
        self._told = Told()
        self._revision = 0

    @property
    def known(self) -> Sequence[Fact]:
        """Facts that are kept of the person, newest first; not what stands in blocks."""
        kept = (fact for fact in self._told.facts.values() if not from_block(fact))
        return sorted(kept, key=lambda fact: fact.said_at, reverse=True)

    @property
    def in_blocks(self) -> Sequence[Fact]:
        return [fact for fact in self._told.facts.values() if from_block(fact)]

    def take_blocks(self, facts: Iterable[Fact]) -> None:
        """Take over what memory blocks hold about the person (`block_facts`), instead of what they held before."""
        now = {fact.fact_id: fact for fact in facts}
        for fact in [fact for fact in self._told.facts.values() if from_block(fact) and fact.fact_id not in now]:
            self._told.drop(fact)
        for fact_id, fact in now.items():  # in the order of the blocks
            if fact_id not in self._told.facts:
                self._told.put(fact)

    async def refresh(self) -> None:
        """Take over what was learned, corrected or forgotten, and compute the missing vectors."""
        await self.look()
        await self._embed_new()

    async def look(self, before: str = "") -> None:
        """Take over changes from the database alone: fast enough for a question. New facts are found by their words
        until their vectors are computed.

        `before`: the turn that asks; what it says itself is no answer.
        """
        revision = await self._store.revision(self.owner)
        changed = await self._store.changed_since(self.owner, self._revision) if revision != self._revision else []
        for fact in (*changed, *await self._unlearned(before)):
            if fact.state is not FactState.KNOWN:
                self._told.drop(fact)
            elif fact.fact_id not in self._told.facts and not is_order(fact.text):
                self._told.put(fact)
        self._revision = revision

    async def _embed_new(self) -> None:
        """What was embedded before is of use at once; of the rest the newest comes first. What is still missing when
        embedding fails is found by its words until the next refresh."""
        self._take_over(await self._kept(list(dict.fromkeys(self._told.wanting.values()))))
        missing = list(reversed(dict.fromkeys(self._told.wanting.values())))
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            try:
                made = await self._embedder.embed(some)
            except VoiceAgentError:
                return
            await self._keep(some, made)
            self._take_over(dict(zip(some, made, strict=True)))

    def _take_over(self, made: Mapping[str, Vectors]) -> None:
        for key, wording in list(self._told.wanting.items()):
            if (vector := made.get(wording)) is not None:
                self._told.got(key, wording, vector)

    async def _unlearned(self, before: str) -> list[Fact]:
        """Statements from which no facts were extracted yet, in the person's own words; earlier ones, as replaced."""
        found = {
            f"turn:{turn_id}": Fact(
                f"turn:{turn_id}",
                self.owner.letta_agent_id,
                self.owner.person_id,
                in_own_words(words),
                said_at,
                said=words,
            )
            for turn_id, user_text, said_at in await self._store.unlearned(self.owner, self._session_id)
            if turn_id != before and (words := told(user_text))
        }
        gone = [fact for key, fact in self._told.facts.items() if key.startswith("turn:") and key not in found]
        return [*found.values(), *(replace(fact, state=FactState.REPLACED) for fact in gone)]

    async def about(self, question: str, *, look_again: bool = True) -> Recalled:
        """Uses the facts of the last `look` or `refresh`. Without an answer from the embedding model, searches by
        words.

        `look_again`: ask the language model where the sum leaves a doubt.
        """
        began = time.perf_counter()
        if asks_own_name(question) and (name := naming(self.known)):
            return Recalled((name,), answer=name)
        question = plainly(question)
        if asks_everything(question):
            return Recalled(tuple([*self.known, *self.in_blocks][:_OVERVIEW]))
        asked = read(question)
        judged, vector = await self._searched(asked)
        heard = self._told.sounds.as_used(question, NAMES_SOMEBODY)
        if heard != question:  # the wording that is answered better counts
            judged, vector = max((judged, vector), await self._searched(read(heard)), key=lambda found: found[0][:1])
        facts = self._nearest([turn for score, turn in judged if score >= judged[0][0] - _BEHIND], vector)
        alone = len(judged) == 1 or (len(judged) > 1 and judged[0][0] - judged[1][0] >= _CLEAR)
        best, score = Relevance.NONE, judged[0][0] if judged else None
        if score is not None and not look_again and _is_doubtful(question, score):
            return Recalled(doubtful=True, score=score)
        if score is not None:
            best, score = await self._relevance(question, score, facts)
        took = 1000 * (time.perf_counter() - began)
        if best is Relevance.NONE:
            untold = is_question(question) and asks_about_self(question)
            return Recalled(untold=untold, score=score, milliseconds=took)
        # Of two facts that contradict each other, a small model believes the last one.
        shown = sorted(facts, key=lambda fact: fact.said_at)
        sure = best is Relevance.LIKELY
        answer = facts[0] if alone and sure else None
        return Recalled(tuple(shown), sure=sure, score=score, answer=answer, milliseconds=took)

    async def _relevance(self, question: str, score: float, facts: Sequence[Fact]) -> tuple[Relevance, float]:
        if not speaks_of_self(question):  # about the world: a fact that may not belong to it would only mislead
            return Relevance.LIKELY if score >= LIKELY else Relevance.NONE, score
        if _is_doubtful(question, score):
            odds = await self._second_look.odds(_looked_at(facts), question)
            if odds is not None:
                return Relevance.LIKELY if score + odds >= _TOLD else Relevance.NONE, score + odds
            if _may_stand_in_the_prompt(question, facts):
                return max(grade(score), Relevance.POSSIBLE), score
        return grade(score), score

    async def _searched(self, asked: Question) -> tuple[list[tuple[float, str]], Vectors | None]:
        """Turns, best first; and the vector of the question."""
        vector = await self._embedded(asked.text)
        hits = self._told.index.search(asked.text, vector, _CANDIDATES)
        found = dict.fromkeys(self._told.turn(hit.key) for hit in hits)
        return sorted(((self._judged(asked, turn, vector), turn) for turn in found), reverse=True), vector

    def _nearest(self, turns: Sequence[str], vector: Vectors | None) -> list[Fact]:
        """The nearest facts of each turn; few, because the person waits while the model reads them."""
        shown: list[Fact] = []
        for turn in turns:
            facts = self._told.nearest_facts(turn, vector)
            shown += facts[: max(0, MOST - len(shown))] if shown else facts
        return shown

    def _judged(self, asked: Question, turn: str, vector: Vectors | None) -> float:
        evidence = self._told.evidence(turn, vector)
        if evidence is not None:
            return relevance(asked, evidence)
        text = self._told.told(turn)
        stems = {stem(word) for word in content_words(text)}
        shared = sum(stem(word) in stems for word in content_words(asked.text))
        alike = _BY_WORDS if shared >= min(2, max(1, len(asked.matter))) else 0.0
        return relevance(asked, Evidence(text, alike, alike, alike))

    async def _embedded(self, question: str) -> Vectors | None:
        try:
            return np.asarray((await self._embedder.embed([question], query=True))[0])
        except VoiceAgentError:
            return None

    async def _kept(self, texts: Sequence[str]) -> dict[str, Vectors]:
        by_hash = {text_hash(text): text for text in texts}
        found: dict[str, Vectors] = {}
        hashes = list(by_hash)
        for start in range(0, len(hashes), 500):
            query = select(vectors.c.text_hash, vectors.c.vector).where(
                vectors.c.model == self._embedder.model, vectors.c.text_hash.in_(hashes[start : start + 500])
            )
            async with self._database.read() as connection:
                for row in await connection.execute(query):
                    found[by_hash[row.text_hash]] = np.frombuffer(row.vector, np.float32)
        return found

    async def _keep(self, texts: Sequence[str], made: Vectors) -> None:
        async with self._database.begin() as connection:
            for text, vector in zip(texts, made, strict=True):
                row = {
                    "model": self._embedder.model,
                    "text_hash": text_hash(text),
                    "vector": np.asarray(vector, np.float32).tobytes(),
                }
                await connection.execute(insert_if_absent(self._database, vectors, row))


def _is_doubtful(question: str, score: float) -> bool:
    return speaks_of_self(question) and DOUBTFUL[0] <= score < DOUBTFUL[1]


def _may_stand_in_the_prompt(question: str, facts: Sequence[Fact]) -> bool:
    """What blocks say of whom the question is about: not to be denied while nobody has looked."""
    asked, told = entities(question), frozenset[str]().union(*(entities(fact.text) for fact in facts))
    return all(map(from_block, facts)) and (not asked or bool(asked & told))


def _looked_at(facts: Sequence[Fact]) -> list[str]:
    texts = [fact.text for fact in facts[:_LOOKED_AT]]
    return texts if sum(map(len, texts)) <= _CHARS_LOOKED_AT else texts[:1]


def text_hash(text: str) -> str:
    """Key under which the vector of a text is kept."""
    return hashlib.sha256(text.encode()).hexdigest()
