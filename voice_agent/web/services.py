"""Dependencies of the routes, wired once per process."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request

from voice_agent.errors import VoiceAgentError
from voice_agent.memory.facts.forget_assistant import AssistantForgetting
from voice_agent.memory.facts.propose import ChatProposer, Proposer
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.worker import MemoryWorker
from voice_agent.observe.log import ReconnectLog
from voice_agent.observe.process_tasks import ProcessTasks
from voice_agent.observe.rotation import keep_small
from voice_agent.providers import endpoints
from voice_agent.providers.local_server import FACTS_HEADERS
from voice_agent.providers.offers import Offers
from voice_agent.registry.agents import AgentRegistry
from voice_agent.registry.people import People
from voice_agent.registry.sessions import SessionRegistry
from voice_agent.registry.shared import Shared
from voice_agent.registry.sign_ins import SignIns
from voice_agent.registry.store import SqlAgentStore, SqlOwnMemoryStore, SqlPeopleStore, SqlSessionStore
from voice_agent.rooms.actions import Actions
from voice_agent.rooms.adoption import Adoption
from voice_agent.rooms.deletion import DeletionWorker
from voice_agent.rooms.leases import Leases
from voice_agent.rooms.livekit import LiveKit
from voice_agent.rooms.monitor import Monitor
from voice_agent.rooms.observation import Observer
from voice_agent.rooms.repository import RoomRepository
from voice_agent.rooms.retention import Retention
from voice_agent.rooms.workers import WorkerRegistry
from voice_agent.settings import Settings
from voice_agent.storage import Database, upgrade
from voice_agent.web.agent_prewarmer import AgentPrewarmer
from voice_agent.web.memory_ahead import MemoryAhead
from voice_agent.web.memory_cleaner import MemoryCleaner
from voice_agent.web.providers import ProviderWatch
from voice_agent.web.rate_limits import BearerLimit, RateLimit, StreamLimit
from voice_agent.web.resets import Resets
from voice_agent.web.session_service import SessionService
from voice_agent.web.voice_previews import PREVIEWS_PER_MINUTE, VoicePreviews

if TYPE_CHECKING:
    from voice_agent.web.health import Readiness
    from voice_agent.web.oidc import OidcProvider


@dataclass(frozen=True)
class Services:
    settings: Settings
    database: Database
    livekit: LiveKit
    letta: LettaClient
    log: ReconnectLog
    agents: AgentRegistry
    sessions: SessionRegistry
    people: People
    sign_ins: SignIns
    oidc: OidcProvider | None
    repository: RoomRepository
    leases: Leases
    worker_registry: WorkerRegistry
    monitor: Monitor
    session_service: SessionService
    memory_ahead: MemoryAhead
    resets: Resets
    providers: ProviderWatch
    memory_cleaner: MemoryCleaner
    offers: Offers
    voice_previews: VoicePreviews
    preview_rate: RateLimit
    rate: RateLimit
    bearers: BearerLimit
    streams: StreamLimit
    readiness: Shared[Readiness]


@asynccontextmanager
async def running(
    settings: Settings, stop: Callable[[VoiceAgentError], None], clock: Callable[[], float]
) -> AsyncIterator[Services]:
    """The services, with the process's tasks running; leaving stops the tasks and closes every connection."""
    database = Database(settings.effective_database_url)
    livekit = LiveKit(settings)
    letta = LettaClient(settings)
    # A client of its own: the prewarmer's failed requests must not open the circuit breaker for the others.
    looking = LettaClient(settings)
    proposer = ChatProposer(endpoints.llm(settings), FACTS_HEADERS)
    try:
        await upgrade(database)
        services = wire(settings, database, livekit, letta, clock)
        tasks = ProcessTasks(services.log, stop)
        tasks.start("room-health-monitor", services.monitor.run)
        tasks.start("monitor-watch", services.monitor.watch)
        tasks.start("log-rotation", lambda: keep_small(settings.reconnect_log))
        tasks.start("provider-checks", services.providers.run)
        tasks.start("memory-worker", _memory_worker(services, proposer).run)
        tasks.start("memory-cleaner", services.memory_cleaner.run)
        tasks.start("prompt-prewarmer", _agent_prewarmer(services, looking).run)
        try:
            yield services
        finally:
            await tasks.stop()
            await services.memory_ahead.stop()
    finally:
        await proposer.aclose()
        await looking.close()
        await letta.close()
        await livekit.close()
        await database.close()


def _agent_prewarmer(services: Services, looking: LettaClient) -> AgentPrewarmer:
    agents = AgentRegistry(
        SqlAgentStore(services.database), SqlOwnMemoryStore(services.database), looking, time.time, default_id=""
    )
    return AgentPrewarmer(services.settings, agents, looking)


def _memory_worker(services: Services, proposer: Proposer) -> MemoryWorker:
    return MemoryWorker(
        services.settings,
        services.database,
        services.letta,
        services.log,
        services.leases.sessions_alive,
        proposer,
        Retention(services.settings, services.database).run_due,
        delete_people=DeletionWorker(services.database, services.letta, services.log).run_due,
        letta_tools=not endpoints.llm(services.settings).local,
    )


def wire(
    settings: Settings, database: Database, livekit: LiveKit, letta: LettaClient, clock: Callable[[], float]
) -> Services:
    log = ReconnectLog(settings.reconnect_log, "serve", spoken_text=settings.log_spoken_text)
    store = SqlSessionStore(database)
    repository = RoomRepository(database, clock)
    leases = Leases(database)
    memories = SqlOwnMemoryStore(database)
    agents = AgentRegistry(SqlAgentStore(database), memories, letta, clock, settings.default_agent)
    sessions = SessionRegistry(store, clock, settings.session_validity)
    people = People(SqlPeopleStore(database), clock)
    worker_registry = WorkerRegistry(database)
    adoption = Adoption(settings, database, agents, livekit, log, clock)
    observer = Observer(
        *(livekit, repository, leases, worker_registry, store, clock, settings.session_validity), adopts=adoption.on
    )
    actions = Actions(livekit, repository, leases, log, settings.session_validity)
    monitor = Monitor(observer, actions, repository, store, log, clock, adoption.of_arrival)
    memory_ahead = MemoryAhead(database, letta)
    session_service = SessionService(
        *(agents, sessions, people, repository, livekit, monitor.wake, memory_ahead.start), settings.language
    )
    return Services(
        settings,
        database,
        livekit,
        letta,
        log,
        agents,
        sessions,
        people,
        SignIns(database, clock),
        _provider(settings),
        repository,
        leases,
        worker_registry,
        monitor,
        session_service,
        memory_ahead,
        Resets(livekit),
        ProviderWatch(settings),
        MemoryCleaner(memories, letta, AssistantForgetting(database, letta, log), log, clock),
        Offers(settings),
        VoicePreviews(settings),
        RateLimit(PREVIEWS_PER_MINUTE),
        RateLimit(settings.sessions_per_minute),
        BearerLimit(),
        StreamLimit(),
        Shared(),
    )


def _provider(settings: Settings) -> OidcProvider | None:
    if not settings.oidc_issuer or not settings.oidc_client_id:
        return None
    from voice_agent.web.oidc import OidcProvider  # a slow import, needed only when this is set

    return OidcProvider(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret)


def get_services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services
