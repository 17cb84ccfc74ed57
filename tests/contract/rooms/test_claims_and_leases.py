"""Claims and leases of rooms: one winner each time, among real processes too."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace

from sqlalchemy import insert

from voice_agent.contracts import AgentBinding, JobMetadata, RoomPolicy
from voice_agent.registry.model import Person, Session
from voice_agent.registry.store import SqlSessionStore
from voice_agent.rooms.leases import Health, Lease, Leases
from voice_agent.rooms.policy import RoomKeyParts
from voice_agent.rooms.repository import EXPECTED_FOR, RoomRepository
from voice_agent.rooms.tables import workers
from voice_agent.rooms.workers import EVERYBODY, WorkerRegistry, WorkerScope
from voice_agent.storage import Database

PARTS = RoomKeyParts("s1", "agent-1", "business-1", "user-1")

RACE = """
import asyncio, json, sys
from voice_agent.rooms.repository import RoomRepository
from voice_agent.rooms.leases import Leases
from voice_agent.rooms.workers import WorkerRegistry
from voice_agent.storage import Database
async def main(url, name, racers, rounds):
    database = Database(url)
    registry = WorkerRegistry(database)
    await registry.announce(name, 1, 0)
    while len(await registry.all()) < racers:
        await asyncio.sleep(0.01)
    repository, leases = RoomRepository(database, lambda: 0.0), Leases(database)
    claims, taken = 0, []
    while True:
        record = (await repository.open_records(["room-1"]))["room-1"]
        if record.claims >= rounds:
            break
        claims += await repository.claim_dispatch(record)
        row = (await leases.of(["room-1"]))["room-1"]
        if row.job is None:
            lease = await leases.take("room-1", f"{name}-{row.epoch}", name, row.epoch)
            if lease is not None:
                taken.append(lease.epoch)
                assert await leases.release(lease)
    await database.close()
    print(json.dumps([claims, taken]))
asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def job(name: str = "room-1") -> JobMetadata:
    agent = AgentBinding(agent_id="agent-1", letta_agent_id="agent-1", name="Ada")
    return JobMetadata(room_name=name, session_id="s1", agent=agent)


def session(number: str, room: str) -> Session:
    return Session(number, number, room, number, "agent-1", "Ada", "agent-1", Person(), {}, 1.0, 1.0)


async def test_of_concurrent_requests_for_one_purpose_all_get_one_room(database: Database) -> None:
    repository = RoomRepository(database, Clock())
    opened = await asyncio.gather(*(repository.open(RoomPolicy.SHARED, PARTS, job(f"room-{n}")) for n in range(20)))
    assert len({record.name for record in opened}) == 1
    assert len(await repository.open_names()) == 1


async def test_the_key_of_each_policy_tells_rooms_apart(database: Database) -> None:
    repository = RoomRepository(database, Clock())
    names = set()
    for number, (policy, parts) in enumerate(
        [
            (RoomPolicy.SESSION, PARTS),
            (RoomPolicy.SESSION, RoomKeyParts("s2", "agent-1", "business-1", "user-1")),
            (RoomPolicy.SHARED, PARTS),
            (RoomPolicy.SHARED, RoomKeyParts("s2", "agent-1", "business-2", "user-1")),
            (RoomPolicy.RESIDENT, PARTS),
            (RoomPolicy.RESIDENT, RoomKeyParts("s2", "agent-1", "business-1", "user-2")),
            (RoomPolicy.RESIDENT, RoomKeyParts("s2", "agent-1", "business-2", "user-1")),
            (RoomPolicy.RESIDENT, RoomKeyParts("s2", "agent-1", "", "user-1")),
        ]
    ):
        names.add((await repository.open(policy, parts, job(f"room-{number}"))).name)
    assert len(names) == 8


async def test_a_resident_room_of_before_goes_on_for_the_business_it_was_opened_for(database: Database) -> None:
    repository = RoomRepository(database, Clock())
    before = replace(PARTS, business_id="")
    opened = await repository.open(RoomPolicy.RESIDENT, before, job().model_copy(update={"business_id": "business-1"}))
    other = await repository.open(RoomPolicy.RESIDENT, replace(PARTS, business_id="business-2"), job("room-2"))
    assert other.name == "room-2"
    for number in (3, 4):
        assert (await repository.open(RoomPolicy.RESIDENT, PARTS, job(f"room-{number}"))).name == opened.name
    assert (await repository.open(RoomPolicy.RESIDENT, before, job("room-5"))).name == "room-5"


async def test_the_longest_ids_fit_into_a_key(database: Database) -> None:
    repository = RoomRepository(database, Clock())
    for policy in RoomPolicy:
        await repository.open(policy, RoomKeyParts("s" * 64, "a" * 128, "b" * 128, "u" * 128), job(f"long-{policy}"))


async def test_alive_are_all_sessions_of_a_room_that_a_job_holds(database: Database) -> None:
    repository, leases, store = RoomRepository(database, Clock()), Leases(database), SqlSessionStore(database)
    record = await repository.open(RoomPolicy.SHARED, PARTS, job())
    for number in ("s1", "s2"):
        await store.add(session(number, record.name))
    await store.add(session("s3", "another-room"))
    assert await leases.sessions_alive() == frozenset()
    assert await leases.take(record.name, "job-1", "worker", 0) is not None
    assert await leases.sessions_alive() == {"s1", "s2", record.name}
    assert await store.of_room(record.name) == {"s1", "s2"}


async def test_one_observation_gives_one_dispatch(database: Database) -> None:
    repository = RoomRepository(database, Clock())
    seen = await repository.open(RoomPolicy.SESSION, PARTS, job())
    claims = await asyncio.gather(*(repository.claim_dispatch(seen) for _ in range(10)))
    assert sum(claims) == 1
    again = (await repository.open_records(["room-1"]))["room-1"]
    assert (again.claims, again.attempts) == (1, 1)
    await repository.agent_is_ready("room-1")
    assert not await repository.claim_dispatch(seen), "a stale observation may not dispatch after the count was cleared"


async def test_a_room_closes_only_when_nobody_is_or_will_be_there(database: Database) -> None:
    clock = Clock()
    repository = RoomRepository(database, clock)
    await repository.open(RoomPolicy.SESSION, PARTS, job())
    clock.now += 1
    assert not await repository.close_if_unused("room-1", 0.5), "somebody is expected"
    clock.now += EXPECTED_FOR + 1
    assert await repository.expect("room-1") is not None
    assert not await repository.close_if_unused("room-1", 0.5), "somebody is coming back"
    await repository.expect_nobody("room-1")
    clock.now += 1
    assert not await repository.close_if_unused("room-1", 1e6), "it was never too long empty"
    clock.now += 10
    await repository.human_seen("room-1")
    clock.now += EXPECTED_FOR - 9
    assert not await repository.close_if_unused("room-1", 60.0), "somebody was here a moment ago"
    clock.now += 30
    assert await repository.close_if_unused("room-1", 60.0)
    assert await repository.expect("room-1") is None, "closed is closed"
    assert (await repository.open(RoomPolicy.SESSION, PARTS, job("room-2"))).name == "room-2"


async def test_failures_are_counted_and_old_ones_forgotten(database: Database) -> None:
    clock = Clock()
    repository = RoomRepository(database, clock)
    await repository.open(RoomPolicy.SESSION, PARTS, job())
    await asyncio.gather(*(repository.agent_failed("room-1") for _ in range(3)))
    assert len((await repository.open_records(["room-1"]))["room-1"].recycles) == 3
    clock.now += 601
    await repository.agent_failed("room-1")
    assert (await repository.open_records(["room-1"]))["room-1"].recycles == (clock.now,)


async def test_a_lease_is_taken_once_renewed_and_released(database: Database) -> None:
    await RoomRepository(database, Clock()).open(RoomPolicy.SESSION, PARTS, job())
    leases = Leases(database)
    taken = await asyncio.gather(*(leases.take("room-1", f"job-{n}", "worker", 0) for n in range(10)))
    (lease,) = [lease for lease in taken if lease]
    assert lease.epoch == 1
    assert await leases.take("room-1", "thief", "worker", lease.epoch) is None, "what is held is not for taking"
    assert await leases.renew(lease, Health(silent_for=2.5))
    row = (await leases.of(["room-1"]))["room-1"]
    assert (row.job, row.beat, row.health.silent_for) == (lease.job, 1, 2.5)
    assert await leases.release(lease)
    assert not await leases.renew(lease, Health())
    assert await leases.take("room-1", "late", "worker", 0) is None, "a dispatch from before is out of date"


async def test_a_worker_renews_for_a_job_that_starts_and_never_for_one_that_renewed_itself(database: Database) -> None:
    await RoomRepository(database, Clock()).open(RoomPolicy.SESSION, PARTS, job())
    leases = Leases(database)
    lease = await leases.take("room-1", "job-1", "worker", 0)
    assert lease is not None
    assert await leases.bridge(lease, 0)
    assert await leases.bridge(lease, 1)
    assert await leases.renew(lease, Health(silent_for=2.5))
    assert not await leases.bridge(lease, 2), "a job that froze right after its start looked alive"
    row = (await leases.of(["room-1"]))["room-1"]
    assert (row.beat, row.health.silent_for) == (3, 2.5)


async def test_whoever_is_fenced_can_neither_renew_nor_release(database: Database) -> None:
    await RoomRepository(database, Clock()).open(RoomPolicy.SESSION, PARTS, job())
    leases = Leases(database)
    old = await leases.take("room-1", "old", "worker", 0)
    assert old is not None
    assert not await leases.fence("room-1", 0), "an observation from before the lease fences nobody"
    assert await leases.fence("room-1", 1)
    new = await leases.take("room-1", "new", "worker", 2)
    assert new == Lease("room-1", 3, "new")
    assert not await leases.renew(old, Health())
    assert not await leases.release(old)
    assert await leases.renew(new, Health())


async def test_a_worker_says_which_jobs_it_takes_and_one_of_an_older_version_takes_all(database: Database) -> None:
    worker_registry = WorkerRegistry(database)
    owners = WorkerScope(frozenset({"owner"}), frozenset({"b1", "b2"}), "voice-agent")
    for active in (0, 1):
        await worker_registry.announce("owners", 4, active, owners)
    async with database.begin() as connection:
        await connection.execute(insert(workers).values(name="older", capacity=4, active=0, beat=0))
    found = {row.name: (row.active, row.beat, row.worker_scope) for row in await worker_registry.all()}
    assert found == {"owners": (1, 2, owners), "older": (0, 0, EVERYBODY)}


async def test_exit_reports_free_at_once(database: Database) -> None:
    repository, leases = RoomRepository(database, Clock()), Leases(database)
    for number in range(3):
        parts = RoomKeyParts(f"s{number}", "agent-1", "", "")
        await repository.open(RoomPolicy.SESSION, parts, job(f"room-{number}"))
        assert await leases.take(f"room-{number}", f"job-{number}", f"worker-{number % 2}", 0)
    assert await leases.worker_died("worker-0")
    assert await leases.job_died("job-1")
    rows = await leases.of(["room-0", "room-1", "room-2"])
    assert [rows[f"room-{n}"].job for n in range(3)] == [None] * 3
    assert not await leases.worker_died("worker-0")


async def test_a_failure_reported_at_the_end_is_counted_by_one(database: Database) -> None:
    await RoomRepository(database, Clock()).open(RoomPolicy.SESSION, PARTS, job())
    leases = Leases(database)
    lease = await leases.take("room-1", "job", "worker", 0)
    assert lease is not None
    await leases.release(lease, Health("tts_failed", why="It lost its voice."))
    row = (await leases.of(["room-1"]))["room-1"]
    assert row.health.failed == "tts_failed"
    settled = (leases.claim_failure("room-1", row.epoch, row.health.why) for _ in range(5))
    assert sum(await asyncio.gather(*settled)) == 1
    assert (await leases.of(["room-1"]))["room-1"].health == Health(why="It lost its voice.")


async def test_among_real_processes_every_claim_and_every_epoch_has_one_owner(
    database: Database, database_url: str
) -> None:
    await RoomRepository(database, Clock()).open(RoomPolicy.SESSION, PARTS, job())
    racers, rounds = 4, 40

    def race(number: int) -> tuple[int, list[int]]:
        command = [sys.executable, "-c", RACE, database_url, f"racer-{number}", str(racers), str(rounds)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        claims, taken = json.loads(done.stdout)
        return claims, taken

    outcomes = await asyncio.gather(*(asyncio.to_thread(race, number) for number in range(racers)))
    assert sum(claims for claims, _ in outcomes) == rounds
    epochs = [epoch for _, taken in outcomes for epoch in taken]
    assert len(epochs) == len(set(epochs)), "an epoch was taken twice"
    assert sum(claims > 0 for claims, _ in outcomes) > 1, "nobody raced"


def adopted(name: str = "theirs", session: str = "s1") -> JobMetadata:
    return job(name).model_copy(update={"session_id": session, "policy": RoomPolicy.ADOPTED})


def of_livekit(live_room: str) -> RoomKeyParts:
    return RoomKeyParts("", "", "", "", live_room)


async def test_a_room_of_others_is_adopted_once(database: Database) -> None:
    repository = RoomRepository(database, Clock())
    jobs = [adopted(session=f"s{number}") for number in range(10)]
    found = await asyncio.gather(*(repository.adopt(one, of_livekit("RM_1"), sent=False) for one in jobs))
    assert len({record.job.session_id for record in found if record}) == 1
    record = found[0]
    assert record is not None
    assert (record.policy, record.key, record.attempts) == (RoomPolicy.ADOPTED, "adopted:RM_1", 0)
    assert record.wanted_until <= Clock.now, "nobody is expected who is not there"
    assert (await Leases(database).of(["theirs"]))["theirs"].epoch == 0


async def test_an_agent_that_livekit_was_asked_for_counts_as_dispatched(database: Database) -> None:
    repository = RoomRepository(database, Clock())
    record = await repository.adopt(adopted(), of_livekit("RM_1"), sent=True)
    assert record is not None
    assert (record.claims, record.attempts, record.claimed_at) == (1, 1, Clock.now)
    assert record.wanted_until == Clock.now + EXPECTED_FOR


async def test_a_room_that_others_made_again_begins_anew_and_keeps_its_lease(database: Database) -> None:
    repository, leases = RoomRepository(database, Clock()), Leases(database)
    first = await repository.adopt(adopted(session="s1"), of_livekit("RM_1"), sent=True)
    assert first is not None
    assert await leases.take("theirs", "job-1", "worker", 0) is not None
    await repository.agent_failed("theirs", 3)
    again = await repository.adopt(adopted(session="s2"), of_livekit("RM_2"), sent=False)
    assert again is not None
    assert (again.job.session_id, again.key, again.recycles) == ("s2", "adopted:RM_2", ())
    assert again.claims > first.claims, "an observation of the room before dispatches nothing"
    assert (await leases.of(["theirs"]))["theirs"].job == "job-1"
    await repository.end("theirs")
    assert await repository.open_names() == set()
    third = await repository.adopt(adopted(session="s3"), of_livekit("RM_2"), sent=False)
    assert third is not None
    assert third.job.session_id == "s3"
    assert await repository.open_names() == {"theirs"}


async def test_a_room_of_ours_is_not_adopted(database: Database) -> None:
    repository = RoomRepository(database, Clock())
    ours = await repository.open(RoomPolicy.SESSION, PARTS, job())
    assert await repository.adopt(adopted(ours.name), of_livekit("RM_1"), sent=False) is None
    assert await repository.ended([ours.name]) == set()
    await repository.end(ours.name)
    assert await repository.adopt(adopted(ours.name), of_livekit("RM_1"), sent=False) is None
    assert await repository.ended([ours.name, "never heard of"]) == {ours.name}
    assert await repository.adopt(adopted(), of_livekit("RM_2"), sent=False) is not None
    await repository.end("theirs")
    assert await repository.ended(["theirs"]) == set()


async def test_who_is_expected_is_still_expected_when_another_asks_for_a_token(database: Database) -> None:
    clock = Clock()
    repository = RoomRepository(database, clock)
    later = await repository.open(RoomPolicy.SHARED, PARTS, job(), joins_now=False)
    assert later.wanted_until == clock.now
    soon = await repository.open(RoomPolicy.SHARED, PARTS, job("room-2"))
    assert (soon.name, soon.wanted_until) == (later.name, clock.now + EXPECTED_FOR)
    assert (
        await repository.open(RoomPolicy.SHARED, PARTS, job("room-3"), joins_now=False)
    ).wanted_until == soon.wanted_until
    again = await repository.expect(later.name, joins_now=False)
    assert again is not None
    assert again.wanted_until == soon.wanted_until
