"""Learner of facts from finished turns, once for each turn: the language model proposes, `decide` decides, the store
keeps.

One process at a time does it (see worker.py), at background rank. A failed turn is retried a bounded number of times,
then parked, which is logged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select

from voice_agent.contracts import LogEvent
from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.memory.facts import statements
from voice_agent.memory.facts.dates import absolute
from voice_agent.memory.facts.decide import Known, accepted, decide, without_orders
from voice_agent.memory.facts.fact import Fact, in_own_words
from voice_agent.memory.facts.own_name import introduction
from voice_agent.memory.facts.propose import Proposer
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.memory.facts.tables import forgotten_turns
from voice_agent.memory.facts.wishes import forget_wish
from voice_agent.memory.model import Turn, TurnState
from voice_agent.memory.outbox import DUE, turn_of
from voice_agent.memory.tables import turns
from voice_agent.memory.text import content, words
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage.database import Database, aware

ATTEMPTS: Final = 4
_PAUSE: Final = 2.0
"""Seconds after a failure; doubles with each further failure of the same turn."""
_BATCH: Final = 50
_WORTH_ASKING: Final = 4
"""Content words that make a statement worth asking about although it mentions nothing known ("The man next door keeps
guinea pigs.")."""


class Learner:
    def __init__(
        self,
        database: Database,
        proposer: Proposer,
        log: ReconnectLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._store = FactStore(database)
        self._proposer = proposer
        self._log = log
        self._clock = clock
        self._not_before: dict[str, float] = {}

    async def run_due(self) -> None:
        """Learn from every due turn, oldest first. A person's later turns wait for earlier ones: corrections need what
        they correct."""
        held_back: set[Owner] = set()
        for turn, said_at in await self._due():
            owner = Owner(turn.letta_agent_id, turn.person_id)
            if owner in held_back:
                continue
            if self._clock() < self._not_before.get(turn.turn_id, 0.0) or not await self._learn(turn, owner, said_at):
                held_back.add(owner)

    async def _learn(self, turn: Turn, owner: Owner, said_at: datetime) -> bool:
        """False: try again later."""
        try:
            known = await self._store.known(owner)
            taken, said = await self._taken(turn, said_at, known)
            new, replaced = _decided(turn, owner, said_at, taken, said, known)
            await self._store.learned(turn.turn_id, owner, new, replaced)
        except VoiceAgentError as error:
            return await self._failed(turn, error)
        except Exception as error:  # noqa: BLE001 - a sentence that breaks a rule of ours must not break the others
            broken = Permanent(Code.INTERNAL, f"A rule about facts failed ({type(error).__name__}).")
            return await self._failed(turn, broken)
        self._not_before.pop(turn.turn_id, None)
        if new:
            line = self._log.bind(session=turn.session_id, agent=turn.letta_agent_id, episode=turn.episode)
            line.write(LogEvent.FACTS_LEARNED, turn_id=turn.turn_id, facts=len(new), replaced=len(replaced))
        return True

    async def _taken(self, turn: Turn, said_at: datetime, known: Sequence[Fact]) -> tuple[list[str], str]:
        """Sentences about the user, and the statement they come from."""
        # "Forget that my dog is called Biscuit" tells of a dog, but is said to have it forgotten.
        said = "" if forget_wish(turn.user_text) else without_orders(statements.told(turn.user_text))
        of_interest = (
            statements.speaks_of_self(said)
            or introduction(said)
            or _names_known(said, known)
            or len(content(said)) >= _WORTH_ASKING
        )
        if not said or not of_interest:
            return [], said
        said = absolute(said, said_at.date())
        before = await self._said_before(turn) if statements.refers_back(said) else ""
        names = " ".join(fact.text for fact in known if _names_known(said, [fact]))
        proposed = accepted(await self._proposer.propose(said, before), said, f"{before} {names}")
        taken = [*filter(None, [introduction(said)]), *proposed]
        # What the model does not cover is kept in the speaker's words.
        lacking = statements.left_out(said, taken)
        quoted = [in_own_words(piece) for words in lacking for piece in statements.pieces(words)]
        return [*taken, *accepted(quoted, said, "")], said

    async def _failed(self, turn: Turn, error: VoiceAgentError) -> bool:
        if isinstance(error, Temporary) and error.code is Code.MODEL_BUSY:
            self._not_before[turn.turn_id] = self._clock() + _PAUSE  # a conversation went first: no failure
            return False
        if error.code is Code.DATABASE_UNAVAILABLE:
            raise error
        park = turn.attempts + 1 >= ATTEMPTS or not isinstance(error, Temporary)
        await self._store.not_learned(turn.turn_id, str(error), park=park)
        self._not_before[turn.turn_id] = self._clock() + _PAUSE * 2**turn.attempts
        line = self._log.bind(session=turn.session_id, agent=turn.letta_agent_id)
        line.write(LogEvent.MEMORY_FAILED, what="facts", turn_id=turn.turn_id, parked=park, **error.as_dict())
        return park

    async def _due(self) -> list[tuple[Turn, datetime]]:
        query = (
            select(turns)
            .where(turns.c.learning == DUE, turns.c.state != TurnState.OPEN)
            .where(turns.c.turn_id.not_in(select(forgotten_turns.c.turn_id)))
            .order_by(turns.c.seq)
            .limit(_BATCH)
        )
        async with self._database.read() as connection:
            rows = list((await connection.execute(query)).mappings())
        return [
            (
                turn_of(row, attempts=row["learning_attempts"]),
                aware(row["created_at"]),
            )
            for row in rows
        ]

    async def _said_before(self, turn: Turn) -> str:
        query = (
            select(turns.c.user_text)
            .where(turns.c.session_id == turn.session_id, turns.c.person_id == turn.person_id, turns.c.seq < turn.seq)
            .order_by(turns.c.seq.desc())
            .limit(1)
        )
        async with self._database.read() as connection:
            return statements.told(str(await connection.scalar(query) or ""))


def _decided(
    turn: Turn, owner: Owner, said_at: datetime, taken: Sequence[str], said: str, known: Sequence[Fact]
) -> tuple[list[Fact], list[str]]:
    """The new facts, and the ids of those that they replace."""
    decisions = decide(taken, said, [Known(fact.fact_id, fact.text) for fact in known])
    fresh = [one for one in decisions if not one.same_as]
    new = [
        Fact(
            fact_id=f"{turn.turn_id}-{number}",
            letta_agent_id=owner.letta_agent_id,
            person_id=owner.person_id,
            text=one.text,
            said_at=said_at,
            turn_id=turn.turn_id,
            session_id=turn.session_id,
            replaces=one.replaces,
            said=said,
        )
        for number, one in enumerate(fresh)
    ]
    return new, [one.replaces for one in fresh if one.replaces]


def _names_known(said: str, known: Sequence[Fact]) -> bool:
    """Whether it mentions a proper name of a known fact ("Leo has turned four")."""
    heard = set(words(said))
    return any(name in heard for fact in known for name in _proper_names(fact.text))


def _proper_names(text: str) -> list[str]:
    return [word.strip(".,;:!?'\"").lower().removesuffix("'s") for word in text.split()[1:] if word[:1].isupper()]
