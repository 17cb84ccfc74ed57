"""Agent routes: the list for every caller, changes of saved agents for administrators."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response

from voice_agent.errors import Code, Permanent
from voice_agent.memory.facts.overview import MemoryOverview
from voice_agent.providers import endpoints
from voice_agent.registry.config import mistake_in
from voice_agent.registry.model import Agent, AgentDraft
from voice_agent.registry.people import OWNER
from voice_agent.web.auth import Admin, AnyCaller, Caller, ServicesDep, audit, is_local_owner
from voice_agent.web.errors import ErrorBody, documented
from voice_agent.web.schemas import (
    AgentBody,
    AgentDetail,
    AgentList,
    Id,
    LanguageModel,
    LettaStanding,
    agent_detail,
    agent_item,
)
from voice_agent.web.services import Services

router = APIRouter(prefix="/agents", tags=["agents"])

IfMatch = Annotated[str | None, Header(max_length=40)]
IdempotencyKey = Annotated[str, Header(max_length=200)]
"""Random, and the same for each attempt to create the same agent."""


@router.get("", responses=documented())
async def list_agents(
    services: ServicesDep, who: AnyCaller, q: Annotated[str, Query(max_length=200)] = ""
) -> AgentList:
    """With a browser key as the bearer, each agent says how many things it knows about that person."""
    listing = await services.agents.list(q)
    error = listing.letta_error
    standing = LettaStanding(available=error is None, error=ErrorBody(**error.as_dict()) if error else None)
    llm_endpoint = endpoints.llm(services.settings)
    person = await _person(services, who)
    counts = await MemoryOverview(services.database).counts(person) if person else None
    default = services.agents.default_id
    return AgentList(
        agents=[agent_item(agent, default, confidential=who.is_admin, counts=counts) for agent in listing.agents],
        letta=standing,
        llm=LanguageModel(model=llm_endpoint.model, small_and_local=llm_endpoint.local),
        providers=[ErrorBody(**check.error.as_dict()) for check in services.providers.checks if check.error],
    )


@router.post("", status_code=201, responses=documented(401, 404, 409))
async def create_agent(
    services: ServicesDep, who: Admin, body: AgentBody, response: Response, idempotency_key: IdempotencyKey = ""
) -> AgentDetail:
    """Create an agent. Attempts with the same `Idempotency-Key` create it once."""
    draft = await _draft(services, body)
    created = await services.agents.create(draft, idempotency_key)
    audit(services, who, "agent.create", created.id)
    response.headers["Location"] = f"/agents/{created.id}"
    return _shown(services, created, response)


@router.get("/{agent_id}", responses=documented(401, 404))
async def read_agent(services: ServicesDep, _who: Admin, agent_id: Id, response: Response) -> AgentDetail:
    return _shown(services, await services.agents.get(agent_id), response)


@router.put("/{agent_id}", responses=documented(401, 404, 409, 412, 428))
async def replace_agent(
    services: ServicesDep, who: Admin, agent_id: Id, body: AgentBody, response: Response, if_match: IfMatch = None
) -> AgentDetail:
    if if_match is None:
        raise Permanent(
            Code.VERSION_REQUIRED, "Which version is to be replaced was not said.", 'Send If-Match with the "ETag".'
        )
    changed = await services.agents.update(agent_id, await _draft(services, body), _version(if_match))
    audit(services, who, "agent.update", agent_id)
    return _shown(services, changed, response)


@router.delete("/{agent_id}", status_code=204, responses={202: {"model": None}, **documented(401, 404, 409, 412)})
async def delete_agent(
    services: ServicesDep,
    who: Admin,
    agent_id: Id,
    response: Response,
    memory: Literal["keep", "delete"] = "keep",
    if_match: IfMatch = None,
) -> None:
    """`memory=delete`: what everybody told it is forgotten, and its Letta agent is deleted: 204, or 202 if that is done
    later, because Letta is away. Refused (409) where the memory is shared."""
    forget = memory == "delete"
    await services.agents.delete(agent_id, None if if_match is None else _version(if_match), forget=forget)
    audit(services, who, "agent.forget" if forget else "agent.delete", agent_id)
    if forget and not await services.memory_cleaner.clean():
        response.status_code = 202


async def _person(services: Services, who: Caller) -> str | None:
    """Whose facts are counted: the person of a browser key, or the owner of this machine."""
    if who.secret:
        return None if who.is_admin else await services.people.resolve(who.secret)
    return OWNER if is_local_owner(who, services.settings) else None


async def _draft(services: ServicesDep, body: AgentBody) -> AgentDraft:
    if mistake := mistake_in(body.config):
        raise Permanent(Code.BAD_REQUEST, *mistake)
    if body.config.providers is not None:
        await services.offers.require(body.config.providers)
    return AgentDraft(body.name, body.letta_agent_id or "", body.description, body.role, body.config.document())


def _version(if_match: str) -> int:
    text = if_match.strip().removeprefix("W/").strip('"')
    # An ETag that is not one of ours matches no version.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _shown(services: ServicesDep, agent: Agent, response: Response) -> AgentDetail:
    response.headers["ETag"] = f'"{agent.version}"'
    return agent_detail(agent, services.agents.default_id)
