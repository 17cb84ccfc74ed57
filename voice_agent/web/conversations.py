"""Conversation routes: a person's conversations, listed, searched, read and deleted by that person or an
administrator. `POST /session` continues one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import PlainTextResponse

from voice_agent.errors import Code, Permanent
from voice_agent.memory.conversations import Conversation, Conversations
from voice_agent.memory.facts.forgetting import Forgetting
from voice_agent.registry.model import Session
from voice_agent.web.auth import AnyCaller, ServicesDep, audit
from voice_agent.web.errors import documented
from voice_agent.web.person_access import HeldPerson
from voice_agent.web.schemas import (
    ConversationItem,
    ConversationList,
    ConversationTranscript,
    DeletedConversation,
    Id,
    moment,
)
from voice_agent.web.services import Services
from voice_agent.web.sessions import bound_agent, not_cached
from voice_agent.web.transcripts import as_text, messages_of

router = APIRouter(prefix="/people/{person_id}/conversations", tags=["people"], dependencies=[Depends(not_cached)])

SEARCH_CHARS: Final = 200


@router.get("", responses=documented(401, 404, 410))
async def list_conversations(
    services: ServicesDep,
    person: HeldPerson,
    q: Annotated[str, Query(max_length=SEARCH_CHARS, pattern=r"^[^\x00-\x1f\x7f]*$")] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 30,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> ConversationList:
    """The last used first. `q`: only conversations in which all of these words were said, also as parts of words."""
    found = await Conversations(services.database).of_person(person, limit + 1, before, q)
    page = found[:limit]
    sessions = await services.sessions.some([one.session_id for one in page])
    return ConversationList(
        conversations=[_item(services, person, one, sessions) for one in page],
        next=page[-1].place if len(found) > limit else None,
    )


@router.get(
    "/{session_id}",
    response_model=ConversationTranscript,
    responses=documented(401, 404, 410) | {200: {"content": {"text/plain": {}}}},
)
async def read_conversation(
    services: ServicesDep,
    person: HeldPerson,
    session_id: Id,
    style: Annotated[Literal["json", "text"], Query(alias="format")] = "json",
) -> ConversationTranscript | Response:
    """What was said; in a shared room what this person said, and the answers to that."""
    one = await _one(services, person, session_id)
    sessions = await services.sessions.some([session_id])
    turns = await Conversations(services.database).turns(person, session_id)
    messages = messages_of(turns, sessions[session_id].agent_name if session_id in sessions else "")
    if style == "text":
        return PlainTextResponse(as_text(messages))
    return ConversationTranscript(conversation=_item(services, person, one, sessions), messages=messages)


@router.delete("/{session_id}", responses=documented(401, 404, 410))
async def delete_conversation(
    services: ServicesDep, who: AnyCaller, person: HeldPerson, session_id: Id
) -> DeletedConversation:
    """Delete what was said, everywhere; what was learned from it is forgotten. A call that is going on in it ends.

    Facts, turns and what is on its way to Letta are gone at once; what Letta holds of them follows.
    """
    await _one(services, person, session_id)
    session = (await services.sessions.some([session_id])).get(session_id)
    if session is not None and session.person_id == person and not services.sessions.is_over(session):
        await services.session_service.end(session)  # before the words: nothing more is said in it
    forgetting = Forgetting(services.database, services.letta, services.log)
    deleted = await forgetting.forget_conversation(person, session_id)
    audit(services, who, "conversation.delete", session_id)
    return DeletedConversation(turns=deleted.turns, facts_forgotten=deleted.facts)


async def _one(services: Services, person: str, session_id: str) -> Conversation:
    """Another person's conversation gets the same answer as one that never existed."""
    one = await Conversations(services.database).one(person, session_id)
    if one is None:
        raise Permanent(Code.NOT_FOUND, "There is no such conversation.", "List the conversations again.")
    return one


def _item(services: Services, person: str, one: Conversation, sessions: Mapping[str, Session]) -> ConversationItem:
    session = sessions.get(one.session_id)
    return ConversationItem(
        session_id=one.session_id,
        agent=bound_agent(session) if session else None,
        began_at=moment(one.began_at),
        last_at=moment(one.last_at),
        turns=one.turns,
        seconds=round(one.lasted.total_seconds()),
        first_words=one.first_words,
        found=one.found,
        resumable=session is not None and session.person_id == person and not services.sessions.is_over(session),
    )
