"""Middleware, webhooks and health of a running control plane."""

from __future__ import annotations

import base64
import hashlib
import json
import os

import jwt
import pytest

from tests.support.control_plane import ControlPlane, control_plane, eventually
from tests.support.letta_directory import LettaDirectoryServer
from voice_agent.errors import Permanent
from voice_agent.settings import Settings
from voice_agent.web.app import create_app


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_reachable_by_others_it_does_not_start_without_a_secret(control_settings: Settings, host: str) -> None:
    with pytest.raises(Permanent, match="VOICE_ADMIN_SECRET"):
        create_app(control_settings.model_copy(update={"host": host}), lambda _error: None)


async def test_the_page_comes_with_strict_headers_and_hashed_assets(plane: ControlPlane) -> None:
    page = await plane.http.get("/")
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert f"connect-src 'self' ws://127.0.0.1:{plane.settings.livekit_port}" in policy
    assert "unsafe" not in policy
    assert '"/static/@' in page.text
    asset = page.text.split('"/static/@')[1].split('"')[0]
    answer = await plane.http.get(f"/static/@{asset}")
    assert (answer.status_code, "immutable" in answer.headers["Cache-Control"]) == (200, True)
    plain = await plane.http.get(f"/static/{asset.split('/', 1)[1]}")
    assert plain.headers["Cache-Control"] == "no-cache"


async def test_what_carries_a_credential_is_not_cached(plane: ControlPlane) -> None:
    answer = await plane.http.post("/session", json={"agent_id": "agent-1"})
    assert answer.headers["Cache-Control"] == "no-store"


async def test_other_sites_and_other_names_of_this_machine_are_refused(plane: ControlPlane) -> None:
    body = {"agent_id": "agent-1"}
    assert (await plane.http.post("/session", json=body, headers={"Origin": "http://evil.test"})).status_code == 403
    assert (await plane.http.get("/agents", headers={"Host": "evil.test"})).status_code == 403
    own = f"http://127.0.0.1:{plane.settings.port}"
    assert (await plane.http.post("/session", json=body, headers={"Origin": own})).status_code == 201


async def test_cors_is_closed_unless_an_origin_was_named(
    control_settings: Settings, letta: LettaDirectoryServer
) -> None:
    async with control_plane(control_settings.model_copy(update={"cors_origins": "https://shop.test"})) as plane:
        preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        for origin, allowed in (("https://shop.test", True), ("https://evil.test", False)):
            answer = await plane.http.options("/session", headers=preflight | {"Origin": origin})
            assert ("Access-Control-Allow-Origin" in answer.headers) == allowed, origin
        posted = await plane.http.post(
            "/session", json={"agent_id": "agent-1"}, headers={"Origin": "https://shop.test"}
        )
        assert posted.headers["Access-Control-Allow-Origin"] == "https://shop.test"


async def test_webhooks_must_be_signed_for_this_very_body(plane: ControlPlane) -> None:
    body = json.dumps({"event": "participant_joined", "id": "EV_1", "room": {"name": "x"}})

    def signed(secret: str, text: str) -> dict[str, str]:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        about = {"iss": plane.settings.livekit_api_key, "exp": 4_000_000_000, "sha256": digest}
        return {"Authorization": jwt.encode(about, secret, algorithm="HS256")}

    good = signed(plane.settings.livekit_api_secret, body)
    for _ in range(2):  # a replayed one does no harm
        assert (await plane.http.post("/webhooks/livekit", content=body, headers=good)).status_code == 204
    for headers in (
        {},
        {"Authorization": "x"},
        signed("y" * 32, body),
        signed(plane.settings.livekit_api_secret, "{}"),
    ):
        assert (await plane.http.post("/webhooks/livekit", content=body, headers=headers)).status_code == 401


async def test_only_the_supervisor_reports_deaths(plane: ControlPlane) -> None:
    body = {"process": "worker", "pid": 1, "host": "h"}
    assert (await plane.http.post("/internal/process-exit", json=body)).status_code == 401
    right = {"Authorization": f"Bearer {plane.settings.internal_secret}"}
    assert (await plane.http.post("/internal/process-exit", json=body, headers=right)).status_code == 204


async def test_health_names_the_process_and_ready_names_the_service_that_is_away(
    plane: ControlPlane, letta: LettaDirectoryServer
) -> None:
    health = (await plane.http.get("/health")).json()
    assert (health["status"], health["pid"]) == ("ok", os.getpid())
    letta.away = True
    ready = await plane.http.get("/ready")
    assert ready.status_code == 503
    checks = ready.json()["checks"]
    assert (checks["database"]["ok"], checks["livekit"]["ok"]) == (True, True)
    assert checks["letta"]["error"]["code"] == "letta_unavailable"
    assert checks["letta"]["detail"] == "circuit breaker closed"


async def test_who_cannot_hear_or_speak_is_known_before_anybody_talks(plane: ControlPlane) -> None:
    """There is no model server here: nobody hears, thinks, speaks, or finds what was told by its meaning."""

    async def asked() -> list[str] | None:
        found = (await plane.http.get("/agents")).json()["providers"]
        return [error["code"] for error in found] or None

    assert await eventually(asked, 15, "the first check of the providers") == ["model_unreachable"] * 4
    checks = (await plane.http.get("/ready")).json()["checks"]
    assert {name for name, check in checks.items() if not check["ok"]} == {"models", "stt", "embedding", "llm", "tts"}
    assert "this machine" in checks["tts"]["detail"]
