"""Session routes: open, resume, renew, leave, switch the agent, end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Response

from voice_agent.contracts import Role
from voice_agent.registry.model import Person, Session
from voice_agent.registry.people import Credentials
from voice_agent.registry.roles import WORDS
from voice_agent.registry.sign_ins import user_of
from voice_agent.web.assertion import HEADER, verified
from voice_agent.web.auth import AnyCaller, Caller, LiveKitUrl, ServicesDep, audit, is_local_owner, limited
from voice_agent.web.errors import ErrorBody, documented, forbidden
from voice_agent.web.rooms_api import presences
from voice_agent.web.schemas import (
    BoundAgent,
    Id,
    ResetAnswer,
    SessionAnswer,
    SessionBody,
    SessionStanding,
    SwitchBody,
    TokenAnswer,
    TokenBody,
    Vouched,
    iso,
    person_item,
)
from voice_agent.web.session_service import SessionRequest
from voice_agent.web.signed_in import SignedIn

router = APIRouter(tags=["sessions"])

ANYBODY_MAY_SET: Final = frozenset(
    {"greeting", "providers.stt.language", "providers.tts.language", "providers.tts.speed", "providers.tts.voice"}
)
"""Overrides an anonymous caller may send. The rest decides what the agent does, its cost and whose memory it writes."""


Assertion = Annotated[str | None, Header(alias=HEADER, max_length=4096)]


def not_cached(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


async def held_session(services: ServicesDep, who: AnyCaller, session_id: Id) -> Session:
    if who.is_admin:
        return await services.sessions.get(session_id)
    return await services.sessions.authorised(session_id, who.secret)


Held = Annotated[Session, Depends(held_session)]


@router.post(
    "/session",
    status_code=201,
    dependencies=[Depends(not_cached), Depends(limited)],
    responses=documented(401, 404, 429),
)
async def open_session(
    services: ServicesDep,
    who: AnyCaller,
    body: SessionBody,
    livekit_url: LiveKitUrl,
    signed_in: SignedIn,
    assertion: Assertion = None,
) -> SessionAnswer:
    vouched = verified(assertion, services.settings.assertion_secret) if assertion else None
    local = is_local_owner(who, services.settings)
    asked = session_request_of(who, body, vouched, local_owner=local, takes_key=True, signed_in=signed_in or "")
    grant = await services.session_service.open(asked)
    audit(services, who, "session.resume" if grant.resumed else "session.open", grant.session.id)
    session, notice = grant.session, grant.notice
    return SessionAnswer(
        session_id=session.id,
        resume_secret=grant.secret,
        room_name=session.room_name,
        server_url=livekit_url,
        participant_token=grant.token.jwt,
        participant_identity=session.identity,
        token_ttl=grant.token.ttl,
        expires_at=iso(services.sessions.expires_at(session)),
        call_id=grant.token.call_id,
        resumed=grant.resumed,
        agent=bound_agent(session),
        config=session.config,
        person=person_item(session),
        browser_key=grant.browser_key or None,
        notice=ErrorBody(**notice.as_dict()) if notice else None,
    )


@router.get("/session/{session_id}", dependencies=[Depends(not_cached)], responses=documented(404))
async def read_session(services: ServicesDep, session: Held) -> SessionStanding:
    present = await services.livekit.participants(session.room_name)
    room = await services.repository.get(session.room_name)
    return SessionStanding(
        session_id=session.id,
        room_name=session.room_name,
        expires_at=iso(services.sessions.expires_at(session)),
        ended=services.sessions.is_over(session),
        agent=bound_agent(session),
        person=person_item(session),
        humans=sum(p.is_human for p in present),
        agents=presences(present),
        problem=room.problem if room else None,
    )


@router.post(
    "/session/{session_id}/token",
    status_code=201,
    dependencies=[Depends(not_cached), Depends(limited)],
    responses=documented(404, 410, 429),
)
async def renew_token(
    services: ServicesDep, session: Held, livekit_url: LiveKitUrl, body: TokenBody | None = None
) -> TokenAnswer:
    asked = body or TokenBody()
    token = await services.session_service.renew(session, asked.token_ttl, asked.call_id or "")
    return TokenAnswer(
        server_url=livekit_url,
        participant_token=token.jwt,
        participant_identity=session.identity,
        token_ttl=token.ttl,
        expires_at=iso(services.sessions.expires_at(session)),
        call_id=token.call_id,
    )


@router.post("/session/{session_id}/leave", dependencies=[Depends(not_cached)], responses=documented(404))
async def leave_session(services: ServicesDep, session: Held) -> ResetAnswer:
    reset, episode = await services.resets.leave(session.room_name, session.identity)
    await services.sessions.touch(session.id)
    return ResetAnswer(reset=reset.value, episode=episode)


@router.put("/session/{session_id}/agent", responses=documented(403, 404, 410))
async def switch_agent(services: ServicesDep, who: AnyCaller, session: Held, body: SwitchBody) -> BoundAgent:
    """Make another assistant answer in this session and room. It publishes its id when it is about to answer."""
    person = session.person
    # `general` is also the role of a person who gave none; then the assistant's own words apply.
    words = None if person.role is Role.GENERAL else WORDS[person.role]
    switched = await services.session_service.switch(
        session, body.agent_id, words, proved=who.is_admin or bool(person.user_id)
    )
    audit(services, who, "session.switch_agent", session.id)
    return bound_agent(switched)


@router.delete("/session/{session_id}", status_code=204, responses=documented(404))
async def end_session(services: ServicesDep, who: AnyCaller, session: Held) -> None:
    await services.session_service.end(session)
    audit(services, who, "session.end", session.id)


def session_request_of(
    who: Caller,
    body: SessionBody,
    vouched: Vouched | None,
    *,
    local_owner: bool,
    takes_key: bool,
    signed_in: str = "",
) -> SessionRequest:
    """Checks the caller's rights; everything in the returned request is granted. `signed_in`: the person as whom the
    browser is signed in."""
    if body.role is Role.OWNER and not (who.is_admin or vouched):
        raise forbidden("The role owner has to be proved.", "Send the admin secret or a signed assertion.")
    overrides: dict[str, Any] = body.agent_config or {}
    refused = sorted(set(_named(overrides)) - ANYBODY_MAY_SET)
    if refused and not who.is_admin:
        raise forbidden(f"These parts of agent_config need administration rights: {', '.join(refused)[:200]}.")
    role = vouched.role if vouched else body.role
    person = _vouched_person(vouched) if vouched else _person(who, body)
    if signed_in and not person.user_id:
        # Of no business: the provider vouches for nothing but who it is.
        person = replace(person, user_id=user_of(signed_in), business_id="")
    return SessionRequest(
        person=person,
        credentials=Credentials(
            business_id=person.business_id,
            user_id=person.user_id,
            browser_key=body.browser_key or "",
            local_owner=local_owner,
            takes_key=takes_key,
        ),
        proved=who.is_admin or vouched is not None or bool(signed_in),
        role_words=WORDS[role] if role else None,
        agent_id=body.agent_id,
        overrides=overrides,
        session_id=body.session_id,
        secret=body.resume_secret or "",
        token_ttl=body.token_ttl,
        call_id=body.call_id or "",
    )


def _named(overrides: Mapping[str, Any], depth: int = 3) -> Iterator[str]:
    """Overridden fields as dotted paths."""
    for key, value in overrides.items():
        if isinstance(value, Mapping) and depth > 1:
            yield from (f"{key}.{name}" for name in _named(value, depth - 1))
        else:
            yield key


def _person(who: Caller, body: SessionBody) -> Person:
    return Person(
        role=body.role or Role.GENERAL,
        business_id=body.business_id or "",
        # Only an administrator may name a user.
        user_id=(body.user_identity or "") if who.is_admin else "",
        user_name=body.user_name or "",
        user_email=body.user_email or "",
    )


def _vouched_person(vouched: Vouched) -> Person:
    return Person(vouched.role, vouched.business_id, vouched.user_id, vouched.user_name, vouched.user_email)


def bound_agent(session: Session) -> BoundAgent:
    return BoundAgent(id=session.agent_id, name=session.agent_name, letta_agent_id=session.letta_agent_id)
