"""Schema: the migrations build what the code expects, and any number of processes may run them at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text

import voice_agent.memory.facts.tables
import voice_agent.memory.tables
import voice_agent.registry.tables
import voice_agent.rooms.tables  # noqa: F401 - all of them fill the metadata
from voice_agent.contracts import AgentBinding, JobMetadata, ProviderChoices, RoomPolicy
from voice_agent.rooms.policy import RoomKeyParts
from voice_agent.rooms.repository import RoomRepository
from voice_agent.rooms.tables import rooms
from voice_agent.storage import Database, metadata, upgrade
from voice_agent.storage.schema import migrations

UPGRADE = """
import asyncio, sys
from voice_agent.storage import Database, upgrade
async def main():
    database = Database(sys.argv[1])
    await upgrade(database)
    await database.close()
asyncio.run(main())
"""


async def test_the_migrated_schema_is_the_one_the_code_names(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async with database.read() as connection:
        assert await connection.run_sync(differences) == []


async def test_upgrading_twice_changes_nothing(database: Database) -> None:
    await upgrade(database)
    async with database.read() as connection:
        assert len((await connection.execute(text("SELECT * FROM alembic_version"))).all()) == 1


async def test_processes_that_start_at_once_share_one_upgrade(database_url: str) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", UPGRADE, database_url], capture_output=True, text=True, timeout=60)

    for done in await asyncio.gather(*(asyncio.to_thread(run) for _ in range(3))):
        assert done.returncode == 0, done.stderr


async def test_a_room_of_an_older_version_is_taken_along(database: Database) -> None:
    voice = ProviderChoices.model_validate({"tts": {"voice": "nova"}})
    binding = AgentBinding(agent_id="a", letta_agent_id="a", name="Ada", providers=voice)
    job = JobMetadata(room_name="room", session_id="session", agent=binding)
    repository = RoomRepository(database, clock=lambda: 0.0)
    await repository.open(RoomPolicy.SESSION, RoomKeyParts("session", "agent", "", ""), job)
    async with database.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(migrations(sync), "0003"))
        assert (await connection.scalars(select(rooms.c.job))).one()["agent"]["voice"] == "nova"
    await upgrade(database)
    record = await repository.get("room")
    assert record is not None
    assert record.job.agent.providers.tts.voice == "nova"
