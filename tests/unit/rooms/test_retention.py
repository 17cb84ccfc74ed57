"""Retention: records older than VOICE_TRANSCRIPT_DAYS go, those still needed stay."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tests.support.fake_letta import FakeLetta
from tests.support.newest import upgraded
from voice_agent import clock
from voice_agent.contracts import AgentBinding, JobMetadata, RoomPolicy
from voice_agent.errors import Code, Temporary
from voice_agent.memory.access import continuity_key
from voice_agent.memory.facts.tables import facts
from voice_agent.memory.homes import Homes
from voice_agent.memory.model import Block, Snapshot, Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.snapshots import Snapshots
from voice_agent.memory.tables import homes, snapshots, threads, turns
from voice_agent.memory.threads import Threads, conversation_key
from voice_agent.registry.model import Person, Session
from voice_agent.registry.store import SqlSessionStore
from voice_agent.registry.tables import sessions
from voice_agent.rooms.policy import RoomKeyParts
from voice_agent.rooms.repository import RoomRepository
from voice_agent.rooms.retention import Retention
from voice_agent.rooms.tables import leases, rooms, workers
from voice_agent.rooms.workers import WorkerRegistry
from voice_agent.settings import Settings
from voice_agent.stack.doctor import CHECKS
from voice_agent.storage import Database

DAY = 86_400.0
ROBIN = "browser:robin"


@dataclass
class World:
    settings: Settings
    database: Database
    retention: Retention
    now: float = 0.0

    async def visit(self, number: int, *, days_ago: float, ended: bool = True, user: str = "") -> str:
        """Somebody talked in a session of their own. Returns the thread."""
        at = time.time() - days_ago * DAY
        ada = AgentBinding(agent_id="agent-1", letta_agent_id="agent-1", name="Ada")
        job = JobMetadata(room_name=f"va-{number}", session_id=f"s{number}", agent=ada, user_id=user, person_id=ROBIN)
        repository = RoomRepository(self.database, lambda: at)
        await repository.open(RoomPolicy.SESSION, RoomKeyParts(job.session_id, "agent-1", "", user), job)
        robin = Person(user_id=user, user_name="Robin", user_email="robin@example.org")
        await SqlSessionStore(self.database).add(
            Session(
                *(job.session_id, f"hash {number}", job.room_name, "human", "agent-1", "Ada", "agent-1", robin, {}),
                *(at, at, at if ended else None, ROBIN),
            )
        )
        if ended:
            await repository.end(job.room_name)
        thread = continuity_key(job)
        await Threads(self.database).ensure(thread, "agent-1")
        await Threads(self.database).ensure(conversation_key(thread, ROBIN), "agent-home")
        await self.say(number, thread, days_ago=days_ago)
        return thread

    async def say(self, number: int, thread: str, *, days_ago: float, state: str = "done") -> None:
        outbox = Outbox(self.database)
        await outbox.open_turn(Turn(f"t{number}", thread, f"s{number}", "agent-1", 1, "Hello.", person_id=ROBIN))
        async with self.database.begin() as connection:
            said = clock.now() - timedelta(days=days_ago)
            row = update(turns).where(turns.c.turn_id == f"t{number}")
            await connection.execute(row.values(state=state, created_at=said, learning="learned"))

    async def all(self, column: Any) -> set[Any]:
        async with self.database.read() as connection:
            return set((await connection.scalars(select(column))).all())


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    settings = Settings.model_validate({"VOICE_HOME": tmp_path, "VOICE_TRANSCRIPT_DAYS": 30})
    database = Database(settings.effective_database_url)
    await upgraded(database)
    made = World(settings, database, Retention(settings, database))
    made.retention = Retention(settings, database, lambda: made.now)
    yield made
    await database.close()


async def test_of_an_old_conversation_nothing_is_left_and_of_a_young_one_everything(world: World) -> None:
    await world.visit(1, days_ago=31)
    young = await world.visit(2, days_ago=29)
    assert await world.retention.overdue() == {"memory_turns": 1, "sessions": 1, "rooms": 1}
    await world.retention.run()
    assert await world.all(turns.c.turn_id) == {"t2"}
    assert await world.all(sessions.c.id) == {"s2"}
    assert await world.all(rooms.c.name) == {"va-2"}
    assert await world.all(leases.c.room) == {"va-2"}
    assert await world.all(threads.c.thread) == {young, conversation_key(young, ROBIN)}
    assert await world.retention.overdue() == {}


async def test_what_letta_is_still_to_get_stays_with_its_thread(world: World) -> None:
    thread = await world.visit(1, days_ago=31)
    await world.say(2, thread, days_ago=31, state="pending")
    await world.retention.run()
    assert await world.all(turns.c.turn_id) == {"t2"}
    assert await world.all(threads.c.thread) == {thread, conversation_key(thread, ROBIN)}


async def test_an_open_room_keeps_its_thread_and_a_user_who_came_back_theirs(world: World) -> None:
    waiting = await world.visit(1, days_ago=31, ended=False)
    returning = await world.visit(2, days_ago=31, user="robin")
    assert await world.visit(3, days_ago=1, user="robin") == returning
    await world.retention.run()
    assert await world.all(rooms.c.name) == {"va-1", "va-3"}
    kept = {thread for thread in await world.all(threads.c.thread) if "#" not in thread}
    assert kept == {waiting, returning}


async def test_a_session_that_can_be_resumed_outlives_fewer_days(world: World) -> None:
    world.settings = world.settings.model_copy(update={"transcript_days": 1, "session_validity": 3 * DAY})
    thread = await world.visit(1, days_ago=2, ended=False)
    await Retention(world.settings, world.database).run()
    assert await world.all(sessions.c.id) == {"s1"}
    assert thread in await world.all(threads.c.thread)


async def test_a_conversation_that_is_to_be_written_anew_stays_until_it_was(world: World) -> None:
    thread = await world.visit(1, days_ago=31)
    async with world.database.begin() as connection:
        await connection.execute(update(threads).where(threads.c.thread == thread).values(old_conversation_id="conv-1"))
    await world.retention.run()
    assert await world.all(threads.c.thread) == {thread}


async def test_snapshots_go_when_nobody_read_them_and_with_their_home(world: World) -> None:
    old, young = clock.now() - timedelta(days=31), clock.now()
    for agent, at in (("agent-gone", old), ("agent-1", young), ("agent-home", young)):
        await Snapshots(world.database).keep(Snapshot(agent, "Ada", (Block("human", "Robin"),), at))
    await world.retention.run()
    assert await world.all(snapshots.c.letta_agent_id) == {"agent-1", "agent-home"}
    async with world.database.begin() as connection:
        home = {"letta_agent_id": "agent-1", "person_id": ROBIN, "home_agent_id": "agent-home"}
        await connection.execute(insert(homes).values(home))
    await Homes(world.database, FakeLetta()).lost("agent-1", ROBIN, "agent-home")
    assert await world.all(snapshots.c.letta_agent_id) == {"agent-1"}


async def test_facts_stay(world: World) -> None:
    fact = {
        "fact_id": "f1", "letta_agent_id": "agent-1", "person_id": ROBIN, "text": "Robin sails.", "source": "said",
        "said_at": clock.now() - timedelta(days=400), "state": "known", "archive_state": "done",
    }  # fmt: skip
    async with world.database.begin() as connection:
        await connection.execute(insert(facts).values(fact))
    await world.retention.run()
    assert await world.all(facts.c.fact_id) == {"f1"}


async def test_workers_whose_beat_stands_still_for_an_hour_are_gone(world: World) -> None:
    worker_registry = WorkerRegistry(world.database)
    for name in ("dead", "alive"):
        await worker_registry.announce(name, 4, 0)
    await world.retention.run_due()
    world.now += 3599.0
    await world.retention.run_due()
    await worker_registry.announce("alive", 4, 0)
    world.now += 1.0
    await world.retention.run_due()
    assert await world.all(workers.c.name) == {"alive"}


async def test_rotated_logs_go_and_those_in_use_stay(world: World) -> None:
    logs = world.settings.reconnect_log.parent
    logs.mkdir(parents=True, exist_ok=True)
    for name, days in (
        ("reconnect.jsonl", 31),
        ("reconnect.jsonl.1", 29),
        ("reconnect.jsonl.2", 31),
        ("serve.log.1", 31),
    ):
        (logs / name).write_text("{}\n")
        os.utime(logs / name, (time.time() - days * DAY,) * 2)
    assert await world.retention.overdue() == {"log files": 2}
    await world.retention.run()
    assert {path.name for path in logs.iterdir()} == {"reconnect.jsonl", "reconnect.jsonl.1"}


async def test_the_doctor_says_what_is_older_than_the_setting(world: World) -> None:
    assert "30 days" in await CHECKS["retention"](world.settings)
    await world.visit(1, days_ago=31)
    with pytest.raises(Temporary) as wrong:
        await CHECKS["retention"](world.settings)
    assert wrong.value.code is Code.RETENTION_BEHIND
    older = "Older than 30 days (VOICE_TRANSCRIPT_DAYS): 1 memory turns, 1 sessions, 1 rooms."
    assert wrong.value.message == older
