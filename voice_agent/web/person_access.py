"""Whose data a request may read and change: the person of the bearer, or anybody's for an administrator."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Path
from pydantic import StringConstraints

from voice_agent.addresses import is_loopback
from voice_agent.contracts import PERSON_ID_CHARS
from voice_agent.errors import Code, Permanent
from voice_agent.memory.facts.overview import MemoryOverview
from voice_agent.registry.people import OWNER, PersonKind
from voice_agent.web.auth import AnyCaller, Caller, ServicesDep
from voice_agent.web.schemas import person_item
from voice_agent.web.services import Services
from voice_agent.web.signed_in import SignedIn

ME: Final = "me"
"""In place of a person id: the person of the bearer token."""

PersonId = Annotated[
    str, StringConstraints(min_length=1, max_length=PERSON_ID_CHARS, pattern=r"^[^\x00-\x1f\x7f]+$"), Path()
]


async def held_person(services: ServicesDep, who: AnyCaller, signed_in: SignedIn, person_id: PersonId) -> str:
    """The person id, if this caller may read and change that person's memory."""
    if signed_in and not who.secret and person_id in (ME, signed_in):
        return signed_in
    if _may_administer(who):
        if person_id != ME:
            if person_id.partition(":")[0] not in {*PersonKind}:
                raise _unknown_person()
            return person_id
        if not services.settings.admin_secret:
            return OWNER
        raise _unknown_person()
    own = await _person_of_bearer(services, who.secret) if who.secret else None
    if own is None:
        raise Permanent(
            Code.UNAUTHORIZED,
            "Whose memory this is has to be proved.",
            "Send the browser key, the session's secret or the admin secret: Authorization: Bearer …",
        )
    if person_id not in (ME, own):
        raise _unknown_person()
    return own


HeldPerson = Annotated[str, Depends(held_person)]


async def require_known(services: Services, person: str) -> None:
    """An administrator may name a person of whom nothing is kept: a slip of the pen is said."""
    known = await services.people.is_known(person) or await MemoryOverview(services.database).owners(person)
    if not known and person != OWNER:
        raise _unknown_person()


def _may_administer(who: Caller) -> bool:
    # Without an admin secret a caller on this machine is an administrator; one forwarded by a proxy is not.
    return who.is_admin and (bool(who.secret) or is_loopback(who.address))


async def _person_of_bearer(services: Services, secret: str) -> str | None:
    """The person of a browser key or of a session's secret; the secret of a session that is over is refused."""
    if (person := await services.people.resolve(secret)) is not None:
        return person
    session = await services.sessions.by_secret(secret)
    if session is None:
        return None
    services.sessions.require_alive(session)
    return person_item(session).id


def _unknown_person() -> Permanent:
    return Permanent(Code.NOT_FOUND, "This person is not known.", "Use 'me', or the id that belongs to the bearer.")
