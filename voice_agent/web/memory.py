"""Memory routes: facts about a person, read, corrected and forgotten by that person or an administrator."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import StringConstraints

from voice_agent import clock
from voice_agent.addresses import is_loopback
from voice_agent.contracts import PERSON_ID_CHARS
from voice_agent.errors import Code, Permanent
from voice_agent.memory.facts.fact import ArchiveState, Fact, FactSource, FactState
from voice_agent.memory.facts.forgetting import Forgetting
from voice_agent.memory.facts.overview import MemoryOverview
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.registry.people import OWNER
from voice_agent.web.auth import AnyCaller, Caller, ServicesDep, audit
from voice_agent.web.errors import documented
from voice_agent.web.schemas import FactItem, FactText, Forgotten, Id, PersonMemory, fact_item, person_item
from voice_agent.web.services import Services
from voice_agent.web.sessions import not_cached

router = APIRouter(prefix="/people/{person_id}/memory", tags=["people"], dependencies=[Depends(not_cached)])

ME: Final = "me"
"""In place of a person id: the person of the bearer token."""

PersonId = Annotated[
    str, StringConstraints(min_length=1, max_length=PERSON_ID_CHARS, pattern=r"^[^\x00-\x1f\x7f]+$"), Path()
]
AgentId = Annotated[Id | None, Query()]


async def held_person(services: ServicesDep, who: AnyCaller, person_id: PersonId) -> str:
    """The person id, if this caller may read and change that person's memory."""
    if _may_administer(who):
        if person_id != ME:
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


@router.get("", responses=documented(401, 404, 410))
async def read_memory(services: ServicesDep, person: HeldPerson, agent_id: AgentId = None) -> PersonMemory:
    """Facts about a person, the newest first; without `agent_id` those of all assistants."""
    letta_agent_id = await services.agents.letta_agent_id(agent_id) if agent_id else ""
    overview = await MemoryOverview(services.database).of(person, letta_agent_id)
    return PersonMemory(
        person_id=person,
        facts=[fact_item(fact) for fact in overview.facts],
        pending=overview.standing.pending,
        parked=overview.standing.parked,
        archive_pending=overview.archive_pending,
    )


@router.delete("", responses=documented(401, 404, 410))
async def forget_everything(
    services: ServicesDep, who: AnyCaller, person: HeldPerson, agent_id: AgentId = None
) -> Forgotten:
    """Forget everything about a person, in one assistant or, without `agent_id`, in all."""
    if agent_id:
        owners = [Owner(await services.agents.letta_agent_id(agent_id), person)]
    else:
        owners = await MemoryOverview(services.database).owners(person)
    forgetting = Forgetting(services.database, services.letta, services.log)
    forgotten = sum([await forgetting.forget_all(owner) for owner in owners])
    audit(services, who, "memory.forget_all", person)
    return Forgotten(forgotten=forgotten)


@router.delete("/{fact_id}", status_code=204, responses=documented(401, 404, 410))
async def forget_fact(services: ServicesDep, who: AnyCaller, person: HeldPerson, fact_id: Id) -> None:
    fact = await _fact_of(services, person, fact_id)
    forgetting = Forgetting(services.database, services.letta, services.log)
    await forgetting.forget(Owner(fact.letta_agent_id, person), [fact.fact_id])
    audit(services, who, "memory.forget", fact.fact_id)


@router.put("/{fact_id}", responses=documented(401, 404, 409, 410))
async def correct_fact(
    services: ServicesDep, who: AnyCaller, person: HeldPerson, fact_id: Id, body: FactText
) -> FactItem:
    """Add a new fact in the person's words, which replaces the old one."""
    old = await _fact_of(services, person, fact_id)
    if old.state is not FactState.KNOWN:
        raise Permanent(
            Code.CONFLICT, "This fact was replaced by a later one.", "Read the memory again and correct that one."
        )
    new = replace(
        old,
        fact_id=f"corrected-{secrets.token_hex(12)}",
        text=body.text,
        said_at=clock.now(),
        source=FactSource.SAID,
        turn_id="",
        session_id="",
        replaces=old.fact_id,
        archive_state=ArchiveState.PENDING,
        archive_attempts=0,
        passage_id="",
        note="",
    )
    await FactStore(services.database).add(new)
    audit(services, who, "memory.correct", old.fact_id)
    return fact_item(new)


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


async def _fact_of(services: Services, person: str, fact_id: str) -> Fact:
    """Another person's fact gets the same answer as one that never existed."""
    fact = await FactStore(services.database).get(fact_id)
    if fact is None or fact.person_id != person or fact.state is FactState.FORGOTTEN:
        raise Permanent(Code.NOT_FOUND, "Nothing of this id is remembered.", "Read the memory again.")
    return fact


def _unknown_person() -> Permanent:
    return Permanent(Code.NOT_FOUND, "This person is not known.", "Use 'me', or the id that belongs to the bearer.")
