"""Token route with LiveKit's TokenSource contract: its starters and playground work with us unchanged."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Depends

from voice_agent.rooms.wish import wished
from voice_agent.web.auth import AnyCaller, LiveKitUrl, ServicesDep, audit, is_local_owner, limited
from voice_agent.web.errors import documented
from voice_agent.web.schemas import SessionBody
from voice_agent.web.session_service import TokenSource
from voice_agent.web.sessions import not_cached, session_request_of
from voice_agent.web.token_source import TokenSourceAnswer, TokenSourceAttributes, TokenSourceBody

router = APIRouter(tags=["sessions"])


@router.post(
    "/token",
    status_code=201,
    dependencies=[Depends(not_cached), Depends(limited)],
    responses=documented(404, 429),
)
async def token_source(
    services: ServicesDep, who: AnyCaller, livekit_url: LiveKitUrl, body: TokenSourceBody | None = None
) -> TokenSourceAnswer:
    """An agent is sent when the caller joins the room. Without a body: the default assistant, else the first."""
    body = body or TokenSourceBody()
    about = body.participant_attributes or TokenSourceAttributes()
    settings = services.settings
    body_of_session = SessionBody(
        user_name=body.participant_name,
        agent_id=about.agent_id,
        session_id=about.session_id,
        resume_secret=about.resume_secret,
        browser_key=about.browser_key,
    )
    # LiveKit's answer has no field for a new key: a caller without one is recognised in this session only.
    asked = session_request_of(who, body_of_session, None, local_owner=is_local_owner(who, settings), takes_key=False)
    asked = replace(
        asked,
        agent_name=_wished(body, settings.livekit_agent_name),
        token_source=TokenSource(body.participant_metadata or "", about.others),
        # A token that outlives its room, as nobody joined, would be used until it expires.
        token_ttl=min(settings.token_ttl, settings.session_validity),
    )
    grant = await services.session_service.open(asked)
    session = grant.session
    audit(services, who, "session.resume" if grant.resumed else "session.open", session.id)
    return TokenSourceAnswer(
        server_url=livekit_url,
        participant_token=grant.token.jwt,
        room_name=session.room_name,
        participant_name=session.person.user_name,
    )


def _wished(body: TokenSourceBody, worker_name: str) -> str:
    agents = body.room_config.agents if body.room_config else None
    if not agents:
        return ""
    return wished(agents[0].agent_name or "", agents[0].metadata or "", worker_name)
