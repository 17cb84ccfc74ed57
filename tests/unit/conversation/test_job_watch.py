"""Job watch: a worker without jobs does not look for them; one with a job notices its end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.newest import upgraded
from voice_agent.conversation.job_watch import JobWatch
from voice_agent.rooms.leases import Lease, Leases
from voice_agent.storage import Database


async def test_it_is_looked_at_from_the_first_job_to_the_end_of_the_last(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/voice.db")
    await upgraded(database)
    jobs: set[str] = set()
    looks, changes = 0, asyncio.Queue[frozenset[str]]()

    def active() -> set[str]:
        nonlocal looks
        looks += 1
        return set(jobs)

    async def changed() -> None:
        changes.put_nowait(frozenset(jobs))

    watch = JobWatch(Leases(database), active, changed)
    work = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(30):
            for job in ("first", "second"):
                resting = looks
                await asyncio.sleep(0.6)  # two looks, where there is a job
                assert looks == resting
                jobs.add(job)
                watch.accepted(Lease("room", 1, job))
                assert await changes.get() == {job}
                jobs.clear()
                assert await changes.get() == frozenset()
                while watch._some.is_set():  # noqa: ASYNC110 - its lease is bridged once more
                    await asyncio.sleep(0.05)
    finally:
        work.cancel()
        await asyncio.wait([work])
        await database.close()
