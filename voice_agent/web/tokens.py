"""Token route with LiveKit's TokenSource contract: its starters and playground work with us unchanged."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Depends

from voice_agent.web.auth import AnyCaller, LiveKitUrl, ServicesDep, audit, is_local_owner, limited
from voice_agent.web.errors import documented
from voice_agent.web.schemas import SessionBody, TokenSourceAnswer, TokenSourceAttributes, TokenSourceBody
from voice_agent.web.sessions import not_cached, session_request_of

router = APIRouter(tags=["sessions"])


@router.post(
    "/token",
    status_code=201,
    dependencies=[Depends(not_cached), Depends(limited)],
    responses=documented(404, 429),
)
async def token_source(
    services: ServicesDep, who: AnyCaller, body: TokenSourceBody, livekit_url: LiveKitUrl
) -> TokenSourceAnswer:
    about = body.participant_attributes or TokenSourceAttributes()
    body_of_session = SessionBody(
        user_name=body.participant_name,
        agent_id=about.agent_id,
        session_id=about.session_id,
        resume_secret=about.resume_secret,
        browser_key=about.browser_key,
    )
    # LiveKit's answer has no field for a new key: a caller without one is recognised in this session only.
    asked = session_request_of(
        who, body_of_session, None, local_owner=is_local_owner(who, services.settings), takes_key=False
    )
    # LiveKit's token sources keep a token for as long as it is valid, over many presses of "connect".
    grant = await services.session_service.open(replace(asked, own_calls=False))
    session = grant.session
    audit(services, who, "session.resume" if grant.resumed else "session.open", session.id)
    return TokenSourceAnswer(
        server_url=livekit_url,
        participant_token=grant.token.jwt,
        room_name=session.room_name,
        participant_name=session.person.user_name,
    )
