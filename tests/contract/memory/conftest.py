from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.any_letta import SMALL_PAGE, AnyLetta, fake_letta, real_letta
from tests.support.letta_server import RealLetta
from voice_agent.memory.letta import LettaClient


@pytest.fixture(params=["in memory", "real", "real without recorder"])
async def letta(request: pytest.FixtureRequest) -> AsyncIterator[AnyLetta]:
    if request.param == "in memory":
        yield fake_letta()
        return
    real = RealLetta(request.getfixturevalue("stack"))
    elsewhere = {} if request.param == "real" else {"letta_recorder": "elsewhere/recorder"}
    client = LettaClient(real.settings.model_copy(update=elsewhere), page=SMALL_PAGE, timeout=30.0)
    yield real_letta(real, client)
    await client.close()
