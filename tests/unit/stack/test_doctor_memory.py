"""Doctor's check of memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.support.newest import upgraded
from voice_agent.errors import Code, VoiceAgentError
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.tables import turns
from voice_agent.settings import Settings
from voice_agent.stack.doctor import CHECKS
from voice_agent.storage import Database

NO_EMBEDDINGS = {
    "VOICE_EMBEDDING_BASE_URL": "http://127.0.0.1:9/v1",
    "VOICE_EMBEDDING_API_KEY": "any",
    "VOICE_EMBEDDING_MODEL": "none",
}


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    made = Settings.model_validate({"VOICE_HOME": tmp_path, **NO_EMBEDDINGS})
    database = Database(made.effective_database_url)
    await upgraded(database)
    await Outbox(database).open_turn(Turn("t1", "thread", "s1", "agent-1", 1, "I have a cat.", person_id="owner"))
    await Outbox(database).finish_turn("t1", "Nice.", interrupted=False)
    await database.close()
    return made


async def verdict(settings: Settings) -> VoiceAgentError:
    with pytest.raises(VoiceAgentError) as wrong:
        await CHECKS["memory"](settings)
    return wrong.value


async def test_no_embeddings_are_said_but_a_turn_of_just_now_is_not(settings: Settings) -> None:
    found = await verdict(settings)
    assert found.code is Code.MODEL_UNREACHABLE
    assert "found by their words meanwhile" in found.message


async def test_a_turn_that_waits_for_long_is_said(settings: Settings) -> None:
    database = Database(settings.effective_database_url)
    async with database.begin() as connection:
        await connection.execute(update(turns).values(created_at=datetime.now(UTC) - timedelta(minutes=6)))
    await database.close()
    found = await verdict(settings)
    assert (found.code, found.message.split(";")[0]) == (Code.MEMORY_BEHIND, "Not remembered yet: 1 turns")


async def test_a_turn_that_was_given_up_is_said_at_once_and_why(settings: Settings) -> None:
    database = Database(settings.effective_database_url)
    await FactStore(database).not_learned("t1", "the model gave no JSON", park=True)
    await database.close()
    found = await verdict(settings)
    assert (found.code, found.message) == (Code.MEMORY_BEHIND, "Not remembered yet: 1 turns; the model gave no JSON")
