"""Transcript routes: the list of sessions, and what was said in one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import PlainTextResponse

from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.web.auth import Admin, AnyCaller, ServicesDep
from voice_agent.web.errors import documented
from voice_agent.web.schemas import Message, SessionItem, SessionList, Transcript, iso, moment, person_item
from voice_agent.web.sessions import Held, bound_agent, not_cached

router = APIRouter(tags=["transcripts"])


@router.get("/sessions", responses=documented(401))
async def list_sessions(
    services: ServicesDep,
    _who: Admin,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[float | None, Query(ge=0, le=1e11, allow_inf_nan=False)] = None,
) -> SessionList:
    """Newest first; `before`: only those created before this time (seconds since the epoch)."""
    sessions = await services.sessions.list(limit, before)
    return SessionList(
        sessions=[
            SessionItem(
                session_id=session.id,
                room_name=session.room_name,
                agent=bound_agent(session),
                role=session.person.role,
                business_id=session.person.business_id,
                user_id=session.person.user_id,
                user_name=session.person.user_name,
                person=person_item(session),
                created_at=iso(session.created_at),
                expires_at=iso(services.sessions.expires_at(session)),
                ended=services.sessions.is_over(session),
            )
            for session in sessions
        ]
    )


@router.get(
    "/session/{session_id}/transcript",
    dependencies=[Depends(not_cached)],
    response_model=Transcript,
    responses=documented(404) | {200: {"content": {"text/plain": {}}}},
)
async def read_transcript(
    services: ServicesDep,
    who: AnyCaller,
    session: Held,
    style: Annotated[Literal["json", "text"], Query(alias="format")] = "json",
) -> Transcript | Response:
    """Turns of a session. In a shared room only administrators see the turns of other people."""
    turns = await Outbox(services.database).of_session(session.id)
    if not who.is_admin:
        # Turns of a version without people have no person; a session then had one person only.
        turns = [turn for turn in turns if turn.person_id in ("", session.person_id)]
    messages = messages_of(turns, session.agent_name)
    if style == "text":
        return PlainTextResponse(as_text(messages))
    return Transcript(session_id=session.id, messages=messages)


def messages_of(turns: Iterable[Turn], agent_name: str) -> list[Message]:
    return [message for turn in turns for message in _messages(turn, agent_name)]


def as_text(messages: Iterable[Message]) -> str:
    return "".join(f"{m.speaker or m.role}: {m.text}{' …' if m.interrupted else ''}\n" for m in messages)


def _messages(turn: Turn, agent_name: str) -> Iterator[Message]:
    said_at = moment(turn.created_at) if turn.created_at else ""
    if turn.user_text:
        yield Message(
            turn_id=turn.turn_id,
            episode=turn.episode,
            role="user",
            speaker=turn.speaker,
            text=turn.user_text,
            interrupted=False,
            said_at=said_at,
        )
    if turn.assistant_text:
        yield Message(
            turn_id=turn.turn_id,
            episode=turn.episode,
            role="assistant",
            speaker=agent_name,
            text=turn.assistant_text,
            interrupted=turn.interrupted,
            tools=list(turn.tools),
            said_at=said_at,
        )
