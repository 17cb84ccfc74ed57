"""What the routes work with, wired once per process."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request

from voice_agent.errors import VoiceAgentError
from voice_agent.memory.facts.propose import ChatProposer, Proposer
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.upkeep import Upkeep
from voice_agent.models import endpoints
from voice_agent.models.catalog import FACTS_HEADERS
from voice_agent.observe.log import ReconnectLog
from voice_agent.observe.process_tasks import ProcessTasks
from voice_agent.observe.rotation import keep_small
from voice_agent.registry.agents import AgentRegistry
from voice_agent.registry.people import People
from voice_agent.registry.sessions import SessionRegistry
from voice_agent.registry.shared import Shared
from voice_agent.registry.store import SqlAgentStore, SqlPeopleStore, SqlSessionStore
from voice_agent.rooms.acts import Acts
from voice_agent.rooms.book import RoomBook
from voice_agent.rooms.leases import Leases
from voice_agent.rooms.livekit import LiveKit
from voice_agent.rooms.monitor import Monitor
from voice_agent.rooms.observation import Observer
from voice_agent.rooms.retention import Retention
from voice_agent.rooms.workers import WorkerRoll
from voice_agent.settings import Settings
from voice_agent.storage import Database, upgrade
from voice_agent.web.desk import SessionDesk
from voice_agent.web.first_meetings import FirstMeetings
from voice_agent.web.providers import ProviderWatch
from voice_agent.web.rate import BearerLimit, RateLimit, StreamLimit
from voice_agent.web.resets import Resets

if TYPE_CHECKING:
    from voice_agent.web.health import Readiness


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
    book: RoomBook
    leases: Leases
    roll: WorkerRoll
    monitor: Monitor
    desk: SessionDesk
    resets: Resets
    providers: ProviderWatch
    rate: RateLimit
    bearers: BearerLimit
    streams: StreamLimit
    readiness: Shared[Readiness]


@asynccontextmanager
async def running(
    settings: Settings, stop: Callable[[VoiceAgentError], None], clock: Callable[[], float]
) -> AsyncIterator[Services]:
    """The services with the monitor at work; leaving stops it and closes every connection."""
    database = Database(settings.effective_database_url)
    livekit = LiveKit(settings)
    letta = LettaClient(settings)
    # A client of its own: who only looks whether Letta is there yet must not make others leave it alone.
    looking = LettaClient(settings)
    proposer = ChatProposer(endpoints.llm(settings), FACTS_HEADERS)
    try:
        await upgrade(database)
        parts = wire(settings, database, livekit, letta, clock)
        tasks = ProcessTasks(parts.log, stop)
        tasks.start("room-health-monitor", parts.monitor.run)
        tasks.start("monitor-watch", parts.monitor.watch)
        tasks.start("log-rotation", lambda: keep_small(settings.reconnect_log))
        tasks.start("provider-checks", parts.providers.run)
        tasks.start("memory-upkeep", _upkeep(parts, proposer).run)
        tasks.start("first-meetings", _first_meetings(parts, looking).run)
        try:
            yield parts
        finally:
            await tasks.stop()
    finally:
        await proposer.aclose()
        await looking.close()
        await letta.close()
        await livekit.close()
        await database.close()


def _first_meetings(parts: Services, looking: LettaClient) -> FirstMeetings:
    agents = AgentRegistry(SqlAgentStore(parts.database), looking, time.time, default_id="")
    return FirstMeetings(parts.settings, agents, looking)


def _upkeep(parts: Services, proposer: Proposer) -> Upkeep:
    return Upkeep(
        parts.settings,
        parts.database,
        parts.letta,
        parts.log,
        parts.leases.sessions_alive,
        proposer,
        Retention(parts.settings, parts.database).run_due,
        letta_tools=not endpoints.llm(parts.settings).local,
    )


def wire(
    settings: Settings, database: Database, livekit: LiveKit, letta: LettaClient, clock: Callable[[], float]
) -> Services:
    log = ReconnectLog(settings.reconnect_log, "serve", spoken_text=settings.log_spoken_text)
    store = SqlSessionStore(database)
    book = RoomBook(database, clock)
    leases = Leases(database)
    agents = AgentRegistry(SqlAgentStore(database), letta, clock, settings.default_agent)
    sessions = SessionRegistry(store, clock, settings.session_validity)
    people = People(SqlPeopleStore(database), clock)
    roll = WorkerRoll(database)
    observer = Observer(livekit, book, leases, roll, store, clock, settings.session_validity)
    acts = Acts(livekit, book, leases, log, settings.session_validity)
    monitor = Monitor(observer, acts, book, store, log, clock)
    desk = SessionDesk(agents, sessions, people, book, livekit, monitor.wake)
    return Services(
        settings,
        database,
        livekit,
        letta,
        log,
        agents,
        sessions,
        people,
        book,
        leases,
        roll,
        monitor,
        desk,
        Resets(livekit),
        ProviderWatch(settings),
        RateLimit(settings.sessions_per_minute),
        BearerLimit(),
        StreamLimit(),
        Shared(),
    )


def services(request: Request) -> Services:
    parts: Services = request.app.state.services
    return parts
