"""Memory service behind `voice-agent memory`: one person's memory of an assistant that is given by name or id."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Final

from sqlalchemy import delete

from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.memory.audience import Listener
from voice_agent.memory.facts.fact import UNDATED, Fact
from voice_agent.memory.facts.forgetting import Forgetting
from voice_agent.memory.facts.overview import MemoryOverview
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.memory.facts.tables import vectors
from voice_agent.memory.homes import Homes
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.recall.block_facts import block_facts
from voice_agent.memory.recall.embedder import Embedder, HttpEmbedder
from voice_agent.memory.recall.recall import Recall, Recalled
from voice_agent.observe.log import ReconnectLog
from voice_agent.providers import endpoints
from voice_agent.registry.agents import AgentRegistry, Listing
from voice_agent.registry.model import normalised_name
from voice_agent.registry.store import SqlAgentStore, SqlOwnMemoryStore
from voice_agent.settings import Settings
from voice_agent.storage.database import Database

_LETTA_ID: Final = "agent-"
_SHOWN_WORDS: Final = 80


class MemoryService:
    def __init__(
        self, database: Database, letta: LettaClient, agents: AgentRegistry, embedder: Embedder, log: ReconnectLog
    ) -> None:
        self._database = database
        self._letta = letta
        self._agents = agents
        self._embedder = embedder
        self._store = FactStore(database)
        self._overview = MemoryOverview(database)
        self._homes = Homes(database, letta)
        self._log = log

    async def show(self, agent: str, person: str) -> list[str]:
        owner = Owner(await self.letta_agent_id(agent), person)
        overview = await self._overview.of(person, owner.letta_agent_id)
        lines = [*await self._blocks(owner), "", f"Facts about {person}: {len(overview.facts)}"]
        lines += [_line(fact) for fact in overview.facts]
        if overview.archive_pending:
            lines.append(f"On their way into Letta: {overview.archive_pending}")
        unlearned = await self._overview.unlearned(owner)
        if unlearned:
            lines += ["", f"Not remembered yet: {len(unlearned)} turns"]
        for turn in unlearned:
            state = "given up" if turn.parked else "waiting "
            lines.append(f"{turn.said_at:%Y-%m-%d}  {state}  {turn.said[:_SHOWN_WORDS]!r} {turn.note}".rstrip())
        return lines

    async def search(self, agent: str, person: str, query: str) -> list[str]:
        owner = Owner(await self.letta_agent_id(agent), person)
        recalled = await self._recalled(owner, query)
        lines = ["This would be brought up:" if recalled.sure else "This would be brought up, as not sure to answer:"]
        lines += [_line(fact) for fact in recalled.facts]
        if not recalled.facts:
            lines = ["Nothing that was told answers this." if recalled.untold else "Nothing would be brought up."]
        try:
            home = await self._homes.home(owner.letta_agent_id, person)
            found = await self._letta.search(home, query) if home else []
        except VoiceAgentError as error:
            return [*lines, "", f"Letta's archive: {error.message}"]
        return [*lines, "", "Letta's archive:", *(found or ["Nothing was found."])]

    async def find(self, agent: str, person: str, what: str) -> list[Fact]:
        """The fact with this id; else the facts with these words; else those that recall finds for the words."""
        owner = Owner(await self.letta_agent_id(agent), person)
        known = await self._store.known(owner)
        wanted = what.strip().casefold()
        for found in (
            [fact for fact in known if fact.fact_id == what],
            [fact for fact in known if wanted and wanted in fact.text.casefold()],
        ):
            if found:
                return found
        ids = {fact.fact_id for fact in (await self._recalled(owner, what)).facts}
        return [fact for fact in known if fact.fact_id in ids]

    async def forget(self, agent: str, person: str, fact_ids: Collection[str]) -> int:
        owner = Owner(await self.letta_agent_id(agent), person)
        return await Forgetting(self._database, self._letta, self._log).forget(owner, fact_ids)

    async def rebuild(self, agent: str, person: str) -> int:
        """The vectors are a cache: those of all people are deleted and made again."""
        owner = Owner(await self.letta_agent_id(agent), person)
        count = await self._store.learn_again(owner, everything=True)
        async with self._database.begin() as connection:
            await connection.execute(delete(vectors))
        return count

    async def pending(self, agent: str) -> list[str]:
        outbox = Outbox(self._database)
        if not agent:
            return [f"{state:<8} {count}" for state, count in sorted((await outbox.counts()).items())]
        turns = await outbox.waiting(await self.letta_agent_id(agent))
        lines = [f"{turn.state:<8} {turn.turn_id}  {turn.user_text[:60]!r} {turn.note}" for turn in turns]
        return lines or ["Nothing: Letta holds everything that was said."]

    async def resync(self, agent: str) -> int:
        return await Outbox(self._database).unpark(await self.letta_agent_id(agent))

    async def letta_agent_id(self, agent: str) -> str:
        """The Letta agent of an assistant. Assistants of one name that share a Letta agent count as one here."""
        listing = await self._agents.list()
        by_id = [one for one in listing.agents if agent in (one.id, one.letta_agent_id)]
        name = normalised_name(agent).casefold()
        found = by_id or [one for one in listing.agents if one.name.casefold() == name]
        memories = {one.letta_agent_id for one in found}
        if len(memories) == 1:
            return memories.pop()
        if memories:
            ids = ", ".join(sorted(one.id for one in found))
            raise Permanent(Code.AGENT_AMBIGUOUS, f"{len(found)} assistants are called {agent}.", f"Give an id: {ids}.")
        if listing.letta_error is None:
            raise _unknown(agent, listing)
        if agent.startswith(_LETTA_ID):
            return agent  # Letta is unavailable; our own records can still be read
        raise listing.letta_error

    async def _blocks(self, owner: Owner) -> list[str]:
        try:
            home = await self._homes.home(owner.letta_agent_id, owner.person_id)
            snapshot = await self._letta.load_blocks(home or owner.letta_agent_id)
        except VoiceAgentError as error:
            return [f"{owner.letta_agent_id}: its memory blocks could not be read. {error.message}"]
        lines = [f"{snapshot.persona_name} ({snapshot.letta_agent_id}), {len(snapshot.blocks)} blocks"]
        for block in snapshot.blocks:
            lines += ["", f"[{block.label}] {len(block.value)} characters", block.value]
        return lines

    async def _recalled(self, owner: Owner, query: str) -> Recalled:
        recall = Recall(self._database, self._embedder, owner)
        with suppress(VoiceAgentError):  # searched without what stands in the blocks
            if home := await self._homes.home(owner.letta_agent_id, owner.person_id):
                told = Listener.of(owner.person_id, {}).told_about(await self._letta.load_blocks(home))
                recall.take_blocks(block_facts(told, owner))
        await recall.refresh()
        return await recall.about(query)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[MemoryService]:
    database, letta = Database(settings.effective_database_url), LettaClient(settings)
    embedder = embedder_of(settings)
    agents = AgentRegistry(
        SqlAgentStore(database), SqlOwnMemoryStore(database), letta, time.time, settings.default_agent
    )
    log = ReconnectLog(settings.reconnect_log, "cli", spoken_text=settings.log_spoken_text)
    try:
        yield MemoryService(database, letta, agents, embedder, log)
    finally:
        await embedder.aclose()
        await letta.close()
        await database.close()


def embedder_of(settings: Settings) -> HttpEmbedder:
    found = endpoints.embedding(settings)
    return HttpEmbedder(found.base_url, found.api_key, found.model, version=found.version)


def _line(fact: Fact) -> str:
    instead = f", instead of {fact.replaces}" if fact.replaces else ""
    day = "in a block" if fact.said_at == UNDATED else f"{fact.said_at:%Y-%m-%d}"
    return f"{day}  {fact.text}  ({fact.source}, {fact.fact_id}{instead})"


def _unknown(agent: str, listing: Listing) -> Permanent:
    names = ", ".join(sorted({one.name for one in listing.agents})[:20])
    remedy = f"There are: {names}." if names else "There are none."
    return Permanent(Code.AGENT_NOT_FOUND, f"There is no assistant {agent!r}.", remedy)
