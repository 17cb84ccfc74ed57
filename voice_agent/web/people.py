"""Routes of people: keys, the name, export and deletion."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import PlainTextResponse

from voice_agent import clock
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.memory.facts.overview import MemoryOverview
from voice_agent.memory.homes import lives_in_the_assistant
from voice_agent.memory.model import FACTS
from voice_agent.rooms.deletion import PersonDeletions, end_sessions
from voice_agent.rooms.person_records import records_of
from voice_agent.web.auth import AnyCaller, ServicesDep, audit, limited
from voice_agent.web.errors import documented
from voice_agent.web.person_access import HeldPerson, require_known
from voice_agent.web.person_export import as_text, exported
from voice_agent.web.schemas import (
    KeptBlocks,
    NewPerson,
    PersonDeleted,
    PersonExport,
    PersonProfile,
    ProfileBody,
    profile_item,
)
from voice_agent.web.services import Services
from voice_agent.web.sessions import not_cached

router = APIRouter(tags=["people"], dependencies=[Depends(not_cached)])

DELETED_WITHIN: Final = 20.0
"""Seconds that a caller waits for the whole deletion; then the answer is that it goes on."""
_LOOK_AGAIN: Final = 0.1


@router.post("/people", status_code=201, dependencies=[Depends(limited)], responses=documented(429))
async def create_person(services: ServicesDep, who: AnyCaller) -> NewPerson:
    """Create a person with a browser key, for clients that want one before the first session."""
    issued = await services.people.issue()
    audit(services, who, "person.create", issued.person_id)
    return NewPerson(person_id=issued.person_id, key=issued.key)


@router.get("/people/{person_id}", responses=documented(401, 404, 410))
async def read_person(services: ServicesDep, person: HeldPerson) -> PersonProfile:
    return profile_item(await services.people.profile(person))


@router.put("/people/{person_id}", responses=documented(401, 404, 410))
async def name_person(services: ServicesDep, who: AnyCaller, person: HeldPerson, body: ProfileBody) -> PersonProfile:
    """Set the name by which the person wants to be called, in every session from the next on; empty: none."""
    await services.people.welcome(person)
    profile = await services.people.rename(person, body.user_name)
    audit(services, who, "person.name", person)
    return profile_item(profile)


@router.delete("/people/{person_id}/key", status_code=204, responses=documented(401, 404, 410))
async def revoke_key(services: ServicesDep, who: AnyCaller, person: HeldPerson) -> None:
    """Revoke the person's browser key and end their sessions: nothing that a browser has opens anything any more."""
    if not await services.people.revoke(person):
        raise Permanent(Code.NOT_FOUND, "This person has no browser key.", "There is nothing to revoke.")
    await services.session_service.remove(await end_sessions(services.database, person, time.time()))
    audit(services, who, "person.revoke_key", person)


@router.get(
    "/people/{person_id}/export",
    response_model=PersonExport,
    responses=documented(401, 404, 410) | {200: {"content": {"text/plain": {}}}},
)
async def export_person(
    services: ServicesDep,
    who: AnyCaller,
    person: HeldPerson,
    response: Response,
    style: Annotated[Literal["json", "text"], Query(alias="format")] = "json",
) -> PersonExport | Response:
    """Everything that is kept about a person, of all assistants: name, sessions, what was said, facts with sources."""
    await require_known(services, person)
    records = await records_of(services.database, services.letta, person)
    listing = await services.agents.list()
    names = {agent.letta_agent_id: agent.name for agent in reversed(listing.agents)}  # saved ones come first
    export = exported(await services.people.profile(person), records, names, clock.now())
    audit(services, who, "person.export", person)
    headers = {"Content-Disposition": f'attachment; filename="voice-agent-export.{_ENDING[style]}"'}
    if style == "text":
        return PlainTextResponse(as_text(export), headers=headers)
    response.headers.update(headers)
    return export


_ENDING: Final = {"json": "json", "text": "txt"}


@router.delete("/people/{person_id}", responses=documented(401, 404, 410) | {202: {"model": PersonDeleted}})
async def delete_person(services: ServicesDep, who: AnyCaller, person: HeldPerson, response: Response) -> PersonDeleted:
    """Delete everything about a person, in all assistants. 202: it goes on by itself, and `message` says why."""
    await require_known(services, person)
    audit(services, who, "person.delete", person)
    kept = await _kept_blocks(services, person)
    deletions = PersonDeletions(services.database, time.time)
    await services.session_service.remove(await deletions.request(person))
    await deletions.delete_rows(person)
    note = await _finished(deletions, person)
    if note is None:
        return PersonDeleted(person_id=person, state="done", message=_DONE, remedy="", kept=kept)
    response.status_code = 202
    return PersonDeleted(person_id=person, state="pending", message=f"{_HERE} {note}", remedy=_GOES_ON, kept=kept)


_DONE: Final = "Everything about this person is deleted."
_HERE: Final = "What was stored here is deleted; the rest is not yet."
_GOES_ON: Final = "It goes on by itself as soon as it can."


async def _finished(deletions: PersonDeletions, person: str) -> str | None:
    """None: nothing is left. Otherwise why something is, after a while."""
    deadline = time.monotonic() + DELETED_WITHIN
    while True:
        left = [one for one in await deletions.pending() if one.person_id == person]
        if not left:
            return None
        if time.monotonic() > deadline:
            return left[0].note
        await asyncio.sleep(_LOOK_AGAIN)


async def _kept_blocks(services: Services, person: str) -> list[KeptBlocks]:
    """Blocks of the assistants' own agents, which are also the owner's homes. While Letta is away nobody can tell."""
    if not lives_in_the_assistant(person):
        return []
    found: list[KeptBlocks] = []
    for owner in await MemoryOverview(services.database).owners(person):
        with suppress(VoiceAgentError):
            blocks = (await services.letta.load_blocks(owner.letta_agent_id)).blocks
            labels = sorted(block.label for block in blocks if block.label != FACTS and block.value.strip())
            found.append(KeptBlocks(agent_id=owner.letta_agent_id, labels=labels))
    return found
