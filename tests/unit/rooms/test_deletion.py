"""Deletion of a person: nothing of them is left, others and the assistants stay, and it is finished whatever fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.support.database_text import all_text
from tests.support.facts_world import ScriptedProposer
from tests.support.fake_letta import FakeLetta
from tests.support.memory_world import MemoryWorld
from voice_agent.contracts import AgentBinding, JobMetadata, LogEvent, RoomPolicy
from voice_agent.errors import Code, Temporary
from voice_agent.memory.access import continuity_key
from voice_agent.memory.facts.archive import Archive
from voice_agent.memory.facts.learner import Learner
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.memory.facts.tables import forgotten_texts, vectors
from voice_agent.memory.model import FACTS, HUMAN, Turn
from voice_agent.memory.recall.index import as_said
from voice_agent.memory.recall.recall import text_hash
from voice_agent.memory.snapshots import Snapshots
from voice_agent.registry.model import Person, Session, StoredPerson
from voice_agent.registry.people import People
from voice_agent.registry.store import SqlPeopleStore, SqlSessionStore
from voice_agent.rooms.deletion import DeletionWorker, PersonDeletions
from voice_agent.rooms.leases import Lease, Leases
from voice_agent.rooms.policy import RoomKeyParts
from voice_agent.rooms.repository import RoomRepository
from voice_agent.rooms.tables import rooms

ROBIN, KIM, OWNER, ANNA = "browser:robin", "browser:kim", "owner", "user:acme:anna"
CANARY = "My canary is called Zerlina."
FACT = "The user's canary is called Zerlina."


@dataclass
class Visit:
    session_id: str
    room: str
    thread: str
    lease: Lease


@dataclass
class World:
    memory: MemoryWorld
    file: Path
    numbers: int = 0
    proposer: ScriptedProposer = field(default_factory=lambda: ScriptedProposer({CANARY: [FACT]}))

    @property
    def letta(self) -> FakeLetta:
        return self.memory.letta

    @property
    def deletions(self) -> PersonDeletions:
        return PersonDeletions(self.memory.database)

    @property
    def people(self) -> People:
        return People(SqlPeopleStore(self.memory.database), time.time)

    async def visit(self, person: str, *said: str, policy: RoomPolicy = RoomPolicy.SESSION, user: str = "") -> Visit:
        """Somebody comes, says something and is still there."""
        self.numbers += 1
        number, agent = self.numbers, self.memory.agent
        ada = AgentBinding(agent_id=agent, letta_agent_id=agent, name="Ada")
        job = JobMetadata(
            room_name=f"va-{number}",
            session_id=f"s{number}",
            policy=policy,
            agent=ada,
            business_id="acme" if user else "",
            user_id=user,
            user_name="Quintilla",
            person_id=person,
        )
        repository = RoomRepository(self.memory.database, time.time)
        record = await repository.open(policy, RoomKeyParts(job.session_id, agent, job.business_id, user), job)
        lease = await Leases(self.memory.database).take(record.name, f"job-{number}", "worker", 0)
        who = Person(user_id=user, business_id=job.business_id, user_name="Quintilla", user_email="q@example.org")
        of_room: Any = (record.name, f"human-{number}", agent, "Ada", agent, who, {}, time.time(), time.time())
        session = Session(job.session_id, f"hash {number}", *of_room)
        await SqlSessionStore(self.memory.database).add(replace(session, person_id=person))
        thread = continuity_key(job)
        await self.memory.threads.ensure(thread, agent)
        visit = Visit(job.session_id, record.name, thread, lease or Lease(record.name, 1, "job-1"))
        for words in said:
            await self.say(visit, person, words)
        return visit

    async def say(self, visit: Visit, person: str, words: str) -> None:
        self.numbers += 1
        turn = Turn(f"t{self.numbers}", visit.thread, visit.session_id, self.memory.agent, 1, words, person_id=person)
        await self.memory.outbox.open_turn(replace(turn, speaker="Quintilla"))
        await self.memory.outbox.finish_turn(turn.turn_id, "Ah.", interrupted=False)

    async def leave(self, visit: Visit) -> None:
        await Leases(self.memory.database).release(visit.lease)

    async def quiet(self) -> None:
        """All that was said is in Letta, learned and archived."""
        await Learner(self.memory.database, self.proposer, self.memory.log).run_due()
        await self.memory.drain_until_quiet()
        archive = Archive(FactStore(self.memory.database), self.memory.homes, self.letta, self.memory.log)
        for _ in range(3):
            await archive.run_due()

    async def worker(self, letta: Any = None, at_work: frozenset[str] = frozenset()) -> bool:
        """One pass of a process that knows nothing but the tables. Returns whether something is left."""
        worker = DeletionWorker(self.memory.database, letta or self.letta, self.memory.log)
        return await worker.run_due(self.memory.locks, lambda: at_work)

    async def delete(self, person: str) -> None:
        await self.deletions.request(person)
        await self.deletions.delete_rows(person)
        assert not await self.worker()

    async def kept(self) -> str:
        """Everything in tables, in the database's files and in Letta, in lower case."""
        files = await asyncio.to_thread(lambda: b"".join(p.read_bytes() for p in self.file.parent.glob("voice.db*")))
        letta = repr((self.letta.agents, self.letta.conversations, self.letta.compiled, dict(self.letta.archive)))
        return "\n".join((await all_text(self.memory.database), files.decode("latin-1"), letta)).lower()


@asynccontextmanager
async def world_in(folder: Path) -> AsyncIterator[World]:
    async with MemoryWorld.open(folder) as memory:
        yield World(memory, folder / "voice.db")


async def known_by(world: World, person: str) -> list[str]:
    return [fact.text for fact in await FactStore(world.memory.database).known(Owner(world.memory.agent, person))]


async def test_nothing_of_a_person_is_left_and_others_keep_all(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        database = world.memory.database
        await SqlPeopleStore(database).add(StoredPerson(ROBIN, "hash of a key", 1.0))
        await world.people.rename(ROBIN, "Quintilla")
        robin = await world.visit(ROBIN, CANARY, "I laughed about the weathercock.")
        kim = await world.visit(KIM, "I own a lighthouse.")
        await world.quiet()
        async with database.begin() as connection:
            row = {"model": "m", "text_hash": text_hash(as_said(FACT)), "vector": b"x"}
            await connection.execute(vectors.insert().values(row))
        home = await world.memory.homes.ensure(world.memory.agent, ROBIN)
        await Snapshots(database).keep(replace(await world.letta.load_blocks(home), persona_name="Quintilla"))
        before = await world.kept()
        for words in ("zerlina", "weathercock", "quintilla", ROBIN):
            assert words in before, words

        await world.leave(robin)
        await world.delete(ROBIN)
        after = await world.kept()
        for words in ("zerlina", "weathercock", "hash of a key", text_hash(as_said(FACT))):
            assert words not in after, words
        assert ROBIN not in await all_text(database)
        assert home not in world.letta.agents
        assert "lighthouse" in after
        assert kim.session_id in await all_text(database)
        assert KIM in await all_text(database)
        async with database.read() as connection:
            jobs = {row.name: row.job for row in await connection.execute(select(rooms))}
        assert jobs[robin.room]["user_name"] == ""
        assert jobs[kim.room]["user_name"] == "Quintilla"


async def test_of_the_owner_what_was_recorded_goes_and_what_others_wrote_stays(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        agent = world.memory.agent
        await world.letta.edit_block(agent, HUMAN, "The boss likes rhubarb.")
        visit = await world.visit(OWNER, CANARY)
        await world.quiet()
        await FactStore(world.memory.database).forget_texts(Owner(agent, OWNER), ["a digest"])
        assert "Zerlina" in repr(world.letta.agents), "our block has it"
        await world.leave(visit)
        await world.delete(OWNER)
        after = await world.kept()
        assert "zerlina" not in after
        assert "rhubarb" in after
        assert agent in world.letta.agents
        assert (await world.letta.get_block(agent, FACTS)) is not None
        async with world.memory.database.read() as connection:
            digests = (await connection.scalars(select(forgotten_texts.c.digest))).all()
        assert digests == ["a digest"], "what was forgotten does not come back from blocks that stay"


async def test_it_waits_for_the_call_and_takes_what_the_call_still_wrote(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        visit = await world.visit(ROBIN, CANARY)
        await world.quiet()
        callers = await world.deletions.request(ROBIN)
        assert [(one.room, one.own_room) for one in callers] == [(visit.room, True)]
        await world.deletions.delete_rows(ROBIN)
        assert await world.worker()
        await world.say(visit, ROBIN, "One more word about Zerlina.")
        assert await world.worker(), "the job still holds its room"
        assert (await world.deletions.pending())[0].note == "A call of this person is still ending."
        await world.leave(visit)
        assert not await world.worker()
        assert "zerlina" not in await world.kept()


async def test_it_waits_for_what_is_on_its_way_into_letta(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        visit = await world.visit(ROBIN, CANARY)
        await world.leave(visit)
        await world.deletions.request(ROBIN)
        assert await world.worker(at_work=frozenset({visit.thread}))
        home = await world.memory.homes.ensure(world.memory.agent, ROBIN, "Quintilla")
        async with world.memory.locks.of(home):
            assert await world.worker()
        assert not await world.worker()
        assert home not in world.letta.agents


class FailsAt:
    """Letta that is away from the n-th request on."""

    def __init__(self, letta: FakeLetta, number: int) -> None:
        self.left, self._letta = number, letta

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def asked(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise Temporary(Code.LETTA_UNAVAILABLE, "Letta does not answer.")
            return await getattr(self._letta, name)(*arguments, **options)

        return asked


@pytest.mark.parametrize("person", [ROBIN, OWNER])
async def test_wherever_letta_goes_away_it_is_said_and_finished_later(tmp_path: Path, person: str) -> None:
    async with world_in(tmp_path) as world:
        visit = await world.visit(person, CANARY)
        await world.quiet()
        await world.leave(visit)
        await world.deletions.request(person)
        for number in range(20):
            letta = FailsAt(world.letta, number)
            if not await world.worker(letta):
                break
            assert "zerlina" not in (await all_text(world.memory.database)).lower(), "here it goes at once"
            assert [one.note for one in await world.deletions.pending()] == ["Letta does not answer."]
            with pytest.raises(Temporary) as refused:
                await world.people.welcome(person)
            assert refused.value.code is Code.DELETION_PENDING
        assert 1 < number < 20
        assert "zerlina" not in await world.kept()
        assert not (await world.people.welcome(person)).being_deleted
        written = world.memory.log.path.read_text()
        assert written.count("Letta does not answer") == 1, "said once"
        assert LogEvent.PERSON_DELETED in written


async def test_a_letta_that_does_not_answer_is_left_alone_for_a_while(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        await world.leave(await world.visit(ROBIN, CANARY))
        await world.quiet()
        await world.deletions.request(ROBIN)
        now, letta = 0.0, FailsAt(world.letta, 0)
        worker = DeletionWorker(world.memory.database, letta, world.memory.log, lambda: now)
        for _ in range(3):
            assert await worker.run_due(world.memory.locks, frozenset)
        assert letta.left == -1
        letta.left, now = 100, 6.0
        assert not await worker.run_due(world.memory.locks, frozenset)


async def test_a_user_of_a_business_goes_from_a_room_that_others_share(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        anna = await world.visit(ANNA, CANARY, policy=RoomPolicy.SHARED, user="anna")
        ben = await world.visit("user:acme:ben", "I own a lighthouse.", policy=RoomPolicy.SHARED, user="ben")
        assert anna.room == ben.room
        await world.quiet()
        callers = await world.deletions.request(ANNA)
        assert [one.own_room for one in callers] == [False]
        assert not await world.worker(), "the others go on"
        after = await world.kept()
        assert "zerlina" not in after
        assert "lighthouse" in after
        assert ANNA not in await all_text(world.memory.database)
        assert "user:anna" not in await all_text(world.memory.database), "nor a thread of theirs"
        assert await RoomRepository(world.memory.database, time.time).open_names() == {ben.room}


async def test_a_person_of_one_session_is_deleted_with_it(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        visit = await world.visit("session:s1", CANARY)
        await world.quiet()
        await world.leave(visit)
        await world.delete("session:s1")
        assert "zerlina" not in (await all_text(world.memory.database)).lower()


async def test_deleting_twice_and_nothing(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        for _ in range(2):
            await world.delete(ROBIN)
        await world.leave(await world.visit(ROBIN, CANARY))
        await world.quiet()
        assert await known_by(world, ROBIN) == [FACT]
        await world.delete(ROBIN)
        assert await known_by(world, ROBIN) == []
