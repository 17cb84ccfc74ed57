"""Route that issues a browser key, by which a person is recognised."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from voice_agent.web.auth import AnyCaller, ServicesDep, audit, limited
from voice_agent.web.errors import documented
from voice_agent.web.schemas import NewPerson
from voice_agent.web.sessions import not_cached

router = APIRouter(tags=["people"])


@router.post(
    "/people",
    status_code=201,
    dependencies=[Depends(not_cached), Depends(limited)],
    responses=documented(429),
)
async def create_person(services: ServicesDep, who: AnyCaller) -> NewPerson:
    """Create a person with a browser key, for clients that want one before the first session."""
    issued = await services.people.issue()
    audit(services, who, "person.create", issued.person_id)
    return NewPerson(person_id=issued.person_id, key=issued.key)
