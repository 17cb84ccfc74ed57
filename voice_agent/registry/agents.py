"""Agent registry: one namespace of the saved agents and of every Letta agent as an implicit one."""

from __future__ import annotations

import asyncio
import builtins
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from voice_agent.contracts import LETTA_LOOK_UP, RoomPolicy
from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.registry.config import AgentConfig, mistake_in
from voice_agent.registry.model import Agent, AgentDraft, Kind, LettaAgent, normalised_name
from voice_agent.registry.own_memory import OwnMemories
from voice_agent.registry.ports import AgentStore, LettaDirectory, OwnMemoryStore
from voice_agent.registry.shared import Shared

_PREFIX: Final = "va-"
_SHOWN: Final = 5
_SHOWN_CHARS: Final = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing:
    agents: list[Agent]
    letta_error: VoiceAgentError | None


class AgentRegistry:
    def __init__(
        self,
        store: AgentStore,
        memories: OwnMemoryStore,
        letta: LettaDirectory,
        clock: Callable[[], float],
        default_id: str,
        *,
        patience: float = LETTA_LOOK_UP,
    ) -> None:
        self._store = store
        self._memories = memories
        self._own = OwnMemories(memories, letta, clock)
        self._letta = letta
        self._clock = clock
        self.default_id = default_id
        self._patience = patience
        self._listing: Shared[Listing] = Shared()

    async def list(self, query: str = "") -> Listing:
        """While Letta is away: the agents that are registered here (saved ones and those that a session was opened
        with), marked as unavailable. Concurrent callers share one look-up."""
        listing = await self._listing.get(self._everything)
        return replace(listing, agents=[agent for agent in listing.agents if _matches(agent, query)])

    async def _everything(self) -> Listing:
        # Before Letta is asked: one that is being made is not listed as somebody else's.
        ours = await self._memories.assistants()
        saved = await self._store.list()
        error: VoiceAgentError | None = None
        try:
            found = await self._soon(self._letta.list_agents())
        except VoiceAgentError as raised:
            error = raised
            everything = [*(_joined(agent, None) for agent in saved), *await self._store.met()]
        else:
            known = {agent.id: agent for agent in found}
            everything = [_joined(agent, known.get(agent.letta_agent_id)) for agent in saved]
            everything += [_implicit(agent) for agent in found if agent.made_for not in ours]
        return Listing(everything, error)

    async def get(self, agent_id: str) -> Agent:
        """A saved agent is shown even when Letta is away or lacks its Letta agent; `available` says so."""
        saved = await self._store.get(agent_id)
        if saved is None:
            return _implicit(await self._soon(self._existing(agent_id)))
        try:
            return _joined(saved, await self._soon(self._letta.get_agent(saved.letta_agent_id)))
        except Temporary:
            return _joined(saved, None)

    async def bind(self, agent_id: str) -> Agent:
        """The agent of this id, for a person who is about to talk to it; never another one.

        While Letta is away an agent that is registered here can still be bound: it answers from its last snapshot and
        says so.
        """
        saved = await self._store.get(agent_id)
        try:
            found = await self._soon(self._existing(saved.letta_agent_id if saved else agent_id))
        except Temporary:
            met = [_joined(saved, None)] if saved else await self._store.met(agent_id)
            if not met:
                raise
            return met[0]
        return _joined(saved, found) if saved else _implicit(found)

    async def letta_agent_id(self, agent_id: str) -> str:
        """The Letta agent whose memory this agent has. Does not ask Letta: memory is shown while it is away."""
        saved = await self._store.get(agent_id)
        if saved is not None:
            return saved.letta_agent_id
        if agent_id.startswith(_PREFIX):
            raise _unknown(agent_id)
        return agent_id

    async def default(self) -> Agent:
        if self.default_id:
            return await self.bind(self.default_id)
        usable = await self._usable()
        if len(usable) > 1:
            raise Permanent(
                Code.AGENT_AMBIGUOUS,
                f"There are {len(usable)} agents and no default one.",
                "Send agent_id, or set VOICE_DEFAULT_AGENT.",
            )
        return usable[0]

    async def default_or_first(self) -> Agent:
        """For clients that cannot ask which one: the default agent, else the first of the list whose room is a
        session's."""
        if self.default_id:
            return await self.bind(self.default_id)
        usable = await self._usable()
        return next((agent for agent in usable if _of_a_session(agent)), usable[0])

    async def named(self, wanted: str) -> Agent:
        """The agent of this id, else of this name. Of one name, saved agents come before those of Letta."""
        listing = await self.list()
        name = normalised_name(wanted).casefold()
        ids = [agent for agent in listing.agents if agent.id == wanted]
        names = [agent for agent in listing.agents if agent.name.casefold() == name]
        found = ids or [agent for agent in names if agent.kind is Kind.SAVED] or names
        if not found:
            raise listing.letta_error or _unknown(f"'{normalised_name(wanted)[:_SHOWN_CHARS]}'")
        if len(found) > 1:
            these = ", ".join(agent.id for agent in found[:_SHOWN])
            raise Permanent(Code.AGENT_AMBIGUOUS, f"{len(found)} agents are called {found[0].name}.", f"Use {these}.")
        return await self.bind(found[0].id)

    async def _usable(self) -> builtins.list[Agent]:
        """At least one. While Letta is away, agents that are registered here can be talked to."""
        listing = await self.list()
        usable = [agent for agent in listing.agents if agent.available or listing.letta_error is not None]
        if not usable:
            raise listing.letta_error or Permanent(
                Code.AGENT_NOT_FOUND, "There is no agent yet.", "Create one in Letta, or with POST /agents."
            )
        return usable

    async def create(self, draft: AgentDraft, key: str = "") -> Agent:
        """`key`: of the caller, the same for each attempt to create the same agent; it is created once."""
        draft = _checked(draft)
        agent_id = _PREFIX + (_digest(key) if key else secrets.token_hex(12))
        async with self._own.one_at_a_time(agent_id):
            if not await self._store.is_taken(agent_id):
                await self._store.add(agent_id, await self._bound(agent_id, draft), self._clock())
            known = await self._store.get(agent_id)
        if known is None or not _is_made_of(known, draft):
            raise Permanent(
                Code.CONFLICT,
                "With this key another agent was created before.",
                "Look into the list: it may be there already. Send another key for another agent.",
            )
        return _joined(known, await self._existing(known.letta_agent_id))

    async def update(self, agent_id: str, draft: AgentDraft, version: int) -> Agent:
        draft = _checked(draft)
        async with self._own.one_at_a_time(agent_id):
            saved = await self._saved(agent_id)
            if saved.version != version:  # Letta is not told what is not stored
                raise await self._changed_meanwhile(agent_id)
            if saved.own_memory and draft.letta_agent_id == saved.letta_agent_id:
                draft = replace(draft, letta_agent_id="")
            bound = await self._bound(agent_id, draft)
            implicit = await self._existing(bound.letta_agent_id)
            changed = await self._store.replace(agent_id, bound, version, self._clock())
        if changed is None:
            raise await self._changed_meanwhile(agent_id)
        return _joined(changed, implicit)

    async def delete(self, agent_id: str, version: int | None, *, forget: bool = False) -> None:
        """`forget`: its memory in Letta is deleted, too."""
        async with self._own.one_at_a_time(agent_id):
            saved = await self._saved(agent_id)
            if forget:
                _require_alone(saved, await self._store.list())
            if not await self._store.remove(agent_id, version, self._clock(), forget=forget):
                raise await self._changed_meanwhile(agent_id)

    async def _bound(self, agent_id: str, draft: AgentDraft) -> AgentDraft:
        """The draft with its Letta agent: the one that is shared, which has to exist, or the agent's own."""
        if draft.letta_agent_id:
            await self._existing(draft.letta_agent_id)
            return draft
        return replace(draft, letta_agent_id=await self._own.ensure(agent_id, draft))

    async def _saved(self, agent_id: str) -> Agent:
        saved = await self._store.get(agent_id)
        if saved is not None:
            return saved
        if agent_id.startswith("agent-"):
            raise Permanent(
                Code.CONFLICT,
                "This agent belongs to Letta and is not changed here.",
                "Save a configuration of it first.",
            )
        raise _unknown(agent_id)

    async def _existing(self, letta_agent_id: str) -> LettaAgent:
        if letta_agent_id.startswith(_PREFIX):
            raise _unknown(letta_agent_id)
        implicit = await self._letta.get_agent(letta_agent_id)
        if implicit is None:
            raise _unknown(letta_agent_id)
        return implicit

    async def _soon(self, asked: Awaitable[T]) -> T:
        """Treats a Letta that hangs like one that is away."""
        try:
            async with asyncio.timeout(self._patience):
                return await asked
        except TimeoutError:
            raise Temporary(
                Code.LETTA_UNAVAILABLE,
                f"Letta did not answer within {self._patience:g} s.",
                "What is registered here is used meanwhile; see 'voice-agent status'.",
            ) from None

    async def _changed_meanwhile(self, agent_id: str) -> Permanent:
        await self._saved(agent_id)
        return Permanent(
            Code.VERSION_CONFLICT, "Somebody changed this agent meanwhile.", "Read it again and repeat the change."
        )


def _checked(draft: AgentDraft) -> AgentDraft:
    name = normalised_name(draft.name)
    if not name:
        raise Permanent(Code.BAD_REQUEST, "The name holds nothing that can be read.", "Give the agent a name.")
    config = AgentConfig.model_validate(draft.config)
    if mistake := mistake_in(config):
        raise Permanent(Code.BAD_REQUEST, *mistake)
    return replace(draft, name=name, config=config.document())


def _require_alone(saved: Agent, everybody: Sequence[Agent]) -> None:
    if not saved.own_memory:
        raise Permanent(
            Code.CONFLICT,
            "This agent shares the memory of another one, which keeps it.",
            "Delete the agent without its memory.",
        )
    sharing = [a.name for a in everybody if a.letta_agent_id == saved.letta_agent_id and a.id != saved.id]
    if sharing:
        raise Permanent(
            Code.CONFLICT,
            f"{', '.join(sharing)} shares the memory of this agent.",
            "Delete the agent without its memory, or let the others have their own first.",
        )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:24]


def _is_made_of(agent: Agent, draft: AgentDraft) -> bool:
    """Whether a repeated attempt asks for what was made before."""
    memory = "" if agent.own_memory else agent.letta_agent_id
    return AgentDraft(agent.name, memory, agent.description, agent.role, agent.config) == draft


def _implicit(agent: LettaAgent) -> Agent:
    return Agent(
        id=agent.id,
        kind=Kind.LETTA,
        name=normalised_name(agent.name) or agent.id,
        description=agent.description,
        letta_agent_id=agent.id,
        model=agent.model or None,
        remembers=agent.remembers,
    )


def _joined(saved: Agent, implicit: LettaAgent | None) -> Agent:
    if implicit is None:
        return replace(saved, available=False)
    return replace(saved, model=implicit.model or None, remembers=implicit.remembers)


def _of_a_session(agent: Agent) -> bool:
    """Whoever calls may talk to it: its room is not shared or a person's own."""
    return RoomPolicy(agent.config.get("room_policy", RoomPolicy.SESSION)) is RoomPolicy.SESSION


def _matches(agent: Agent, query: str) -> bool:
    wanted = normalised_name(query).casefold()
    return wanted in f"{agent.name}\n{agent.description}\n{agent.id}\n{agent.letta_agent_id}".casefold()


def _unknown(agent_id: str) -> Permanent:
    return Permanent(Code.AGENT_NOT_FOUND, f"There is no agent {agent_id}.", "Pick one from GET /agents.")
