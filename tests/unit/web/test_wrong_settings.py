"""Wrong settings: the error names them, blames no client and ends no process."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.exceptions import RequestValidationError

from tests.support.bare_web import bare_app, bare_web, client_of, web_settings
from tests.support.eventually import PATIENCE
from voice_agent.contracts import RoomMetadata
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.observe.log import ReconnectLog
from voice_agent.providers.checks import check_all
from voice_agent.registry.model import Agent, Kind
from voice_agent.rooms.livekit import LiveKit
from voice_agent.rooms.monitor import Monitor
from voice_agent.web.session_service import config_of


def agent(**config: Any) -> Agent:
    return Agent("va-1", Kind.SAVED, "Ada", "", "agent-1", config=config)


async def test_a_mistake_of_ours_is_not_called_the_clients(tmp_path: Path) -> None:
    settings = web_settings(tmp_path)

    async def broken() -> None:
        RoomMetadata.model_validate({})

    async with bare_app(settings) as app, client_of(app, settings) as client:
        app.add_api_route("/broken", broken)
        answer = await client.get("/broken")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")


@pytest.mark.parametrize("url", ["http://localhost:80a0", "http://", "http://a..b/v1", "http://[", "localhost:8000/v1"])
async def test_a_mistyped_address_of_a_provider_is_refused_when_it_is_saved(tmp_path: Path, url: str) -> None:
    body = {"name": "A", "letta_agent_id": "agent-1", "config": {"providers": {"tts": {"base_url": url}}}}
    async with bare_web(web_settings(tmp_path)) as client:
        answer = await client.post("/agents", json=body)
    error = answer.json()["error"]
    assert (answer.status_code in (400, 422), error["code"]) == (True, "bad_request")
    assert "providers.tts.base_url" in error["message"]


def test_what_a_caller_overrides_is_judged_as_theirs_and_what_was_saved_is_not() -> None:
    wrong = {"providers": {"tts": {"base_url": "http://localhost:80a0"}}}
    with pytest.raises(Permanent, match=r"providers\.tts\.base_url") as saved:
        config_of(agent(**wrong))
    assert saved.value.code is Code.PROVIDER_UNAVAILABLE
    with pytest.raises(Permanent, match=r"providers\.tts\.base_url") as sent:
        config_of(agent(), wrong)
    assert sent.value.code is Code.BAD_REQUEST
    with pytest.raises(RequestValidationError) as malformed:
        config_of(agent(), {"providers": {"tts": {"voice": {"a": 1}}}})
    assert malformed.value.errors()[0]["loc"][:2] == ("body", "agent_config")


@pytest.mark.parametrize(
    "wrong",
    [{"tts_base_url": "http://localhost:80a0"}, {"llm_base_url": "http://127.0.0.1:9", "llm_api_key": "schlüssel"}],
)
async def test_a_provider_that_cannot_even_be_asked_is_a_finding(tmp_path: Path, wrong: dict[str, str]) -> None:
    # As one that was let through: load refuses the first.
    checks = await check_all(web_settings(tmp_path).model_copy(update=wrong), deadline=5.0)
    found = {check.role: check.error for check in checks}
    role = "tts" if "tts_base_url" in wrong else "llm"
    error = cast(VoiceAgentError, found[role])  # type: ignore[index]
    assert error.code is Code.SETTING_INVALID
    assert f"VOICE_{role.upper()}_BASE_URL" in error.remedy
    assert "schlüssel" not in str(error)


async def test_without_a_key_for_livekit_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="LIVEKIT_API_KEY") as refused:
        LiveKit(web_settings(tmp_path, livekit_api_secret=""))
    assert refused.value.code is Code.SETTING_INVALID


class Refused:
    """As LiveKit answers a wrong key."""

    def __init__(self) -> None:
        self.asked = 0
        self.often = asyncio.Event()

    async def pulse(self, _now: float) -> None:
        self.asked += 1
        if self.asked == 3:
            self.often.set()
        raise Permanent(Code.LIVEKIT_REFUSED, "LiveKit refused the request.", "Check LIVEKIT_API_KEY.")


async def test_the_monitor_goes_on_when_livekit_refuses_the_key_and_says_so_once(tmp_path: Path) -> None:
    refused, nothing = Refused(), cast(Any, None)
    log = ReconnectLog(tmp_path / "log", "serve")
    monitor = Monitor(cast(Any, refused), nothing, nothing, nothing, log, time.time, nothing)
    running = asyncio.create_task(monitor.run())
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait([running, often := asyncio.create_task(refused.often.wait())], return_when="FIRST_COMPLETED")
    assert not running.done()
    running.cancel()
    await asyncio.wait([running, often])
    notices = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [notice["fields"]["code"] for notice in notices] == ["livekit_refused"]
    assert "LIVEKIT_API_KEY" in notices[0]["fields"]["remedy"]
