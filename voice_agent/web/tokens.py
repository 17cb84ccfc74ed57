"""LiveKit's TokenSource contract, so that its own starters and playground work against us unchanged."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from voice_agent.web.access import AnyCaller, Parts, audit, limited
from voice_agent.web.errors import documented
from voice_agent.web.schemas import SessionBody, TokenSourceAnswer, TokenSourceAttributes, TokenSourceBody
from voice_agent.web.sessions import not_cached, wish_of

router = APIRouter(tags=["sessions"])


@router.post(
    "/token",
    status_code=201,
    dependencies=[Depends(not_cached), Depends(limited)],
    responses=documented(404, 429),
)
async def token_source(parts: Parts, who: AnyCaller, body: TokenSourceBody) -> TokenSourceAnswer:
    about = body.participant_attributes or TokenSourceAttributes()
    asked = SessionBody(
        user_name=body.participant_name,
        agent_id=about.agent_id,
        session_id=about.session_id,
        resume_secret=about.resume_secret,
    )
    admission = await parts.desk.admit(wish_of(who, asked, None))
    session = admission.session
    audit(parts, who, "session.resume" if admission.resumed else "session.open", session.id)
    return TokenSourceAnswer(
        server_url=parts.livekit.public_url,
        participant_token=admission.token,
        room_name=session.room_name,
        participant_name=session.person.user_name,
    )
