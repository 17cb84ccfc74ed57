"""Routes for administrators: open rooms, a room's reset, Prometheus metrics."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from voice_agent.errors import Code, Permanent
from voice_agent.memory.facts.overview import MemoryOverview
from voice_agent.memory.facts.store import FactStore
from voice_agent.rooms.livekit import Participant
from voice_agent.web.auth import Admin, ServicesDep, audit
from voice_agent.web.errors import documented
from voice_agent.web.schemas import AgentPresence, Id, ResetAnswer, RoomItem, RoomList

router = APIRouter(tags=["live"])

_AT_ONCE: Final = 16

LEARNING_PENDING: Final = Gauge("voice_agent_memory_learning_pending", "Turns that are still to be learned from.")
LEARNING_PARKED: Final = Gauge("voice_agent_memory_learning_parked", "Turns that learning gave up on.")
FACTS: Final = Gauge("voice_agent_memory_facts", "Facts known of all people.")


@router.get("/rooms", responses=documented(401))
async def list_rooms(services: ServicesDep, _who: Admin) -> RoomList:
    records = await services.repository.open_records(await services.repository.open_names())
    gate = asyncio.Semaphore(_AT_ONCE)

    async def present(name: str) -> list[Participant]:
        async with gate:
            return await services.livekit.participants(name)

    found = await asyncio.gather(*(present(name) for name in records))
    return RoomList(
        rooms=[
            RoomItem(
                name=record.name,
                policy=record.policy,
                session_id=record.job.session_id,
                agent_id=record.job.agent.agent_id,
                humans=sum(p.is_human for p in people),
                agents=presences(people),
                problem=record.problem,
            )
            for record, people in zip(records.values(), found, strict=True)
        ]
    )


@router.post("/rooms/{room}/reset", responses=documented(401, 404))
async def reset_room(services: ServicesDep, who: Admin, room: Id) -> ResetAnswer:
    """Make the agent of this room start a new episode, whoever is there."""
    if await services.repository.get(room) is None:
        raise Permanent(Code.NOT_FOUND, "This is not one of our rooms.", "GET /rooms lists them.")
    reset, episode = await services.resets.order(room)
    audit(services, who, "room.reset", room)
    return ResetAnswer(reset=reset.value, episode=episode)


def presences(people: list[Participant]) -> list[AgentPresence]:
    return [
        AgentPresence(identity=p.identity, ready=p.ready, state=p.state, episode=p.episode)
        for p in people
        if p.is_agent
    ]


@router.get("/metrics", response_class=Response, responses=documented(401) | {200: {"content": {"text/plain": {}}}})
async def metrics(services: ServicesDep, _who: Admin) -> Response:
    standing = await FactStore(services.database).everybodys_standing()
    LEARNING_PENDING.set(standing.pending)
    LEARNING_PARKED.set(standing.parked)
    FACTS.set(await MemoryOverview(services.database).total())
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
