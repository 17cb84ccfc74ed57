"""Records of one person, of all assistants: sessions, what was said, facts, and what Letta keeps besides."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from voice_agent.errors import VoiceAgentError
from voice_agent.memory.facts.fact import Fact, FactState
from voice_agent.memory.facts.overview import MemoryOverview
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.homes import Homes
from voice_agent.memory.model import HUMAN, LettaPort, Turn
from voice_agent.memory.outbox import turn_of
from voice_agent.memory.tables import turns
from voice_agent.registry.model import Session
from voice_agent.registry.store import session_of
from voice_agent.registry.tables import sessions
from voice_agent.rooms.person_rows import PersonRows
from voice_agent.storage.database import Database


@dataclass(frozen=True, slots=True)
class Note:
    """What an assistant noted about the person in its own words."""

    letta_agent_id: str
    text: str


@dataclass(frozen=True, slots=True)
class PersonRecords:
    sessions: tuple[Session, ...]
    """Oldest first, like the rest."""
    turns: tuple[Turn, ...]
    facts: tuple[Fact, ...]
    """Known and replaced ones."""
    notes: tuple[Note, ...]
    unread: VoiceAgentError | None
    """Why the notes could not be read."""


async def records_of(database: Database, letta: LettaPort, person_id: str) -> PersonRecords:
    rows = PersonRows(person_id)
    async with database.read() as connection:
        opened = await connection.execute(select(sessions).where(rows.sessions).order_by(sessions.c.created_at))
        of_sessions = tuple(session_of(row) for row in opened)
        said = await connection.execute(select(turns).where(rows.turns).order_by(turns.c.seq))
        of_turns = tuple(turn_of(row) for row in said.mappings())
    owners = await MemoryOverview(database).owners(person_id)
    store = FactStore(database)
    known = [fact for owner in owners for fact in await store.of_person(owner.letta_agent_id, person_id)]
    told = sorted((fact for fact in known if fact.state is not FactState.FORGOTTEN), key=lambda fact: fact.said_at)
    notes, unread = await _notes(database, letta, person_id, [owner.letta_agent_id for owner in owners])
    return PersonRecords(of_sessions, of_turns, tuple(told), notes, unread)


async def _notes(
    database: Database, letta: LettaPort, person_id: str, assistants: list[str]
) -> tuple[tuple[Note, ...], VoiceAgentError | None]:
    homes = Homes(database, letta)
    found: list[Note] = []
    unread: VoiceAgentError | None = None
    for assistant in assistants:
        home = await homes.home(assistant, person_id)
        try:
            block = await letta.get_block(home, HUMAN) if home is not None else None
        except VoiceAgentError as error:
            unread = error
            continue
        if block is not None and block.value.strip():
            found.append(Note(assistant, block.value.strip()))
    return tuple(found), unread
