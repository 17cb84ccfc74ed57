"""Reading of a long conversation: how much is read to find one turn in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from voice_agent.memory.letta import LettaClient
from voice_agent.settings import Settings

PAGE = 10
MESSAGES = 200
NOW = datetime.now(UTC)


class LongConversation(httpx.AsyncBaseTransport):
    """A message a day, the newest today; message N bears the mark of turn N."""

    requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        asked = dict(request.url.params)
        assert asked["order"] == "desc"
        newest = int(asked["before"].removeprefix("message-")) - 1 if "before" in asked else MESSAGES - 1
        return httpx.Response(200, json=[_message(n) for n in range(newest, max(newest - PAGE, -1), -1)])


def _message(number: int) -> dict[str, Any]:
    date = NOW - timedelta(days=MESSAGES - 1 - number)
    return {
        "id": f"message-{number}",
        "date": date.isoformat(),
        "message_type": "user_message",
        "content": "Hello.",
        "sender_id": f"va:t{number}",
    }


@pytest.fixture
async def letta(tmp_path: Path) -> AsyncIterator[tuple[LettaClient, LongConversation]]:
    conversation = LongConversation()
    client = LettaClient(Settings.model_validate({"VOICE_HOME": tmp_path}), page=PAGE, transport=conversation)
    yield client, conversation
    await client.close()


async def test_a_new_turn_is_looked_for_among_the_newest(letta: tuple[LettaClient, LongConversation]) -> None:
    client, conversation = letta
    assert await client.agent_holds_mark("agent-1", "conv-1", f"va:t{MESSAGES - 1}", NOW)
    assert not await client.agent_holds_mark("agent-1", "conv-1", "va:new", NOW)
    assert conversation.requests == 2


async def test_an_old_one_is_found_however_much_came_after_it(letta: tuple[LettaClient, LongConversation]) -> None:
    client, conversation = letta
    said = NOW - timedelta(days=MESSAGES - 8)  # by a clock that was some hours ahead of Letta's
    assert await client.agent_holds_mark("agent-1", "conv-1", "va:t7", said)
    assert await client.agent_holds_mark("agent-1", "conv-1", "va:t0")
    assert not await client.agent_holds_mark("agent-1", "conv-1", "va:new")
    assert conversation.requests == 3 * MESSAGES / PAGE + 1
