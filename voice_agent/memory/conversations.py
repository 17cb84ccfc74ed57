"""Conversations of a person: what they said in one session, with the answers. Listed, searched and read here;
facts/forgetting.py deletes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import SAYS_SOMETHING, turn_of
from voice_agent.memory.tables import turns
from voice_agent.storage.database import Database, aware

SEARCHED: Final = 20_000
"""A search reads at most this many of the person's turns, the newest."""
SEARCH_WORDS: Final = 8
EXCERPT_CHARS: Final = 160
_LEAD_CHARS: Final = 40
"""Characters of an excerpt before the word that was found."""


@dataclass(frozen=True, slots=True)
class Conversation:
    session_id: str
    place: int
    """Sequence number of its last turn: the list goes on below it."""
    began_at: datetime
    last_at: datetime
    """When the last turn began."""
    turns: int
    lasted: timedelta
    """From the first to the last turn of each episode, without the time between episodes."""
    first_words: str
    found: str
    """Excerpt of the first line that holds a word of the search."""


class Conversations:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_person(
        self, person_id: str, limit: int, before: int | None = None, search: str = ""
    ) -> list[Conversation]:
        """The last used first. `search`: words that all occur in the conversation, in any case, also within words."""
        words = search.split()[:SEARCH_WORDS]
        async with self._database.read() as connection:
            page = (await connection.execute(_page(person_id, limit, before, words))).all()
            ids = [row.session_id for row in page]
            episodes = await _episodes(connection, person_id, ids)
            first = await _first_lines(connection, person_id, ids, turns.c.user_text != "")
            found = await _first_lines(connection, person_id, ids, or_(*map(_holds, words))) if words else {}
        return [_conversation(row.session_id, row.place, episodes[row.session_id], first, found, words) for row in page]

    async def one(self, person_id: str, session_id: str) -> Conversation | None:
        """None: this person said nothing in this session, or nothing of it is kept."""
        async with self._database.read() as connection:
            episodes = await _episodes(connection, person_id, [session_id])
            first = await _first_lines(connection, person_id, [session_id], turns.c.user_text != "")
        if session_id not in episodes:
            return None
        return _conversation(session_id, max(row.place for row in episodes[session_id]), episodes[session_id], first)

    async def turns(self, person_id: str, session_id: str) -> list[Turn]:
        """Oldest first; in a shared room those of this person only."""
        query = select(turns).where(_said_by(person_id), turns.c.session_id == session_id).order_by(turns.c.seq)
        async with self._database.read() as connection:
            return [turn_of(row) for row in (await connection.execute(query)).mappings()]


def excerpt(text: str, words: Sequence[str] = ()) -> str:
    """The beginning of a text, or what stands around the first of the words."""
    line = " ".join(text.split())
    folded = line.casefold()
    places = [place for word in words if (place := folded.find(word.casefold())) >= 0]
    start = max(0, min(places, default=0) - _LEAD_CHARS)
    if start:
        start = line.find(" ", start) + 1 or start
    end = start + EXCERPT_CHARS
    return f"{'… ' if start else ''}{line[start:end].rstrip()}{' …' if end < len(line) else ''}"


def _page(person_id: str, limit: int, before: int | None, words: Sequence[str]) -> Select[Any]:
    place = func.max(turns.c.seq).label("place")
    query = select(turns.c.session_id, place).where(_said_by(person_id)).group_by(turns.c.session_id)
    if before is not None:
        query = query.having(place < before)
    # The turn behind the last one that is searched; 0: there are not that many.
    of_person = select(turns.c.seq).where(turns.c.person_id == person_id)
    end = of_person.order_by(turns.c.seq.desc()).offset(SEARCHED).limit(1).scalar_subquery()
    for word in words:
        of_word = select(turns.c.session_id).where(_said_by(person_id), turns.c.seq > func.coalesce(end, 0))
        query = query.where(turns.c.session_id.in_(of_word.where(_holds(word))))
    return query.order_by(place.desc()).limit(limit)


def _said_by(person_id: str) -> ColumnElement[bool]:
    return (turns.c.person_id == person_id) & SAYS_SOMETHING


def _holds(word: str) -> ColumnElement[bool]:
    # SQLite folds the case of ASCII letters only.
    spellings = {word, word.lower(), word.upper(), word.capitalize()}
    texts = (turns.c.user_text, turns.c.assistant_text)
    return or_(*(text.icontains(one, autoescape=True) for text in texts for one in sorted(spellings)))


async def _episodes(
    connection: AsyncConnection, person_id: str, ids: Collection[str]
) -> Mapping[str, Sequence[Row[Any]]]:
    query = select(
        turns.c.session_id,
        func.min(turns.c.created_at).label("began"),
        func.max(turns.c.created_at).label("ended"),
        func.count().label("number"),
        func.max(turns.c.seq).label("place"),
    ).where(_said_by(person_id), turns.c.session_id.in_(ids))
    found: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in await connection.execute(query.group_by(turns.c.session_id, turns.c.thread, turns.c.episode)):
        found[row.session_id].append(row)
    return found


async def _first_lines(
    connection: AsyncConnection, person_id: str, ids: Collection[str], which: ColumnElement[bool]
) -> dict[str, tuple[str, str]]:
    first = select(func.min(turns.c.seq)).where(_said_by(person_id), turns.c.session_id.in_(ids), which)
    query = select(turns.c.session_id, turns.c.user_text, turns.c.assistant_text)
    rows = await connection.execute(query.where(turns.c.seq.in_(first.group_by(turns.c.session_id))))
    return {row[0]: (row[1], row[2]) for row in rows}


def _conversation(
    session_id: str,
    place: int,
    episodes: Sequence[Row[Any]],
    first: Mapping[str, tuple[str, str]],
    found: Mapping[str, tuple[str, str]] | None = None,
    words: Sequence[str] = (),
) -> Conversation:
    user, assistant = (found or {}).get(session_id, ("", ""))
    line = user if any(word.casefold() in user.casefold() for word in words) else assistant
    return Conversation(
        session_id=session_id,
        place=place,
        began_at=aware(min(row.began for row in episodes)),
        last_at=aware(max(row.ended for row in episodes)),
        turns=sum(row.number for row in episodes),
        lasted=sum((row.ended - row.began for row in episodes), timedelta()),
        first_words=excerpt(first.get(session_id, ("", ""))[0]),
        found=excerpt(line, words) if line else "",
    )
