"""Memory routes: facts about a person, read, corrected and forgotten by that person or an administrator."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from voice_agent import clock
from voice_agent.errors import Code, Permanent
from voice_agent.memory.facts.fact import ArchiveState, Fact, FactSource, FactState
from voice_agent.memory.facts.forgetting import Forgetting
from voice_agent.memory.facts.overview import MemoryOverview
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.web.auth import AnyCaller, ServicesDep, audit
from voice_agent.web.errors import documented
from voice_agent.web.person_access import HeldPerson
from voice_agent.web.schemas import FactItem, FactText, Forgotten, Id, PersonMemory, fact_item
from voice_agent.web.services import Services
from voice_agent.web.sessions import not_cached

router = APIRouter(prefix="/people/{person_id}/memory", tags=["people"], dependencies=[Depends(not_cached)])

AgentId = Annotated[Id | None, Query()]


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


async def _fact_of(services: Services, person: str, fact_id: str) -> Fact:
    """Another person's fact gets the same answer as one that never existed."""
    fact = await FactStore(services.database).get(fact_id)
    if fact is None or fact.person_id != person or fact.state is FactState.FORGOTTEN:
        raise Permanent(Code.NOT_FOUND, "Nothing of this id is remembered.", "Read the memory again.")
    return fact
