"""Admin secret: its minimum length, and the number of wrong ones an address may try."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.bare_web import bare_app, bare_web, client_of, web_settings
from voice_agent.errors import Code, Permanent
from voice_agent.web.auth import require_safe_binding
from voice_agent.web.rate_limits import _REMEMBERED, BEARERS_PER_MINUTE, BearerLimit

ADMIN = "an-admin-secret-for-tests"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "voice.lan"])
def test_off_loopback_the_secret_has_sixteen_characters(tmp_path: Path, host: str) -> None:
    for secret in ("", "x", "x" * 15):
        with pytest.raises(Permanent, match="VOICE_ADMIN_SECRET") as refused:
            require_safe_binding(web_settings(tmp_path, host=host, admin_secret=secret))
        assert refused.value.code is Code.SETTING_INVALID
    require_safe_binding(web_settings(tmp_path, host=host, admin_secret="x" * 16))
    require_safe_binding(web_settings(tmp_path, host="127.0.0.1", admin_secret="x"))


def test_a_secret_that_was_shown_before_is_no_further_try() -> None:
    limit = BearerLimit(per_minute=2)
    assert [limit.take("a", "known", 0.0) for _ in range(9)] == [0.0] * 9
    assert limit.take("a", "second", 0.0) == 0.0
    assert limit.take("a", "third", 0.0) == 30.0
    assert limit.take("a", "known", 0.0) == 0.0
    assert limit.take("b", "third", 0.0) == 0.0
    assert limit.take("a", "third", 30.0) == 0.0


def test_what_is_remembered_of_secrets_is_bounded() -> None:
    limit = BearerLimit(per_minute=1)
    for number in range(_REMEMBERED + 5):
        assert limit.take(str(number), "secret", 0.0) == 0.0
    assert len(limit._shown) == _REMEMBERED


async def test_who_guesses_is_slowed_also_when_the_guess_is_right(tmp_path: Path) -> None:
    settings = web_settings(tmp_path, admin_secret=ADMIN)
    async with bare_app(settings) as app:
        app.state.services = replace(app.state.services, bearers=BearerLimit(per_minute=3))
        async with client_of(app, settings, "10.0.0.1") as guesser, client_of(app, settings, "10.0.0.2") as other:
            answers = [await guesser.get("/sessions", headers=bearer(f"guess {n}")) for n in range(3)]
            assert [answer.status_code for answer in answers] == [401] * 3
            for path in ("/sessions", "/agents", "/session/x/transcript"):
                slowed = await guesser.get(path, headers=bearer(ADMIN))
                assert (slowed.status_code, slowed.json()["error"]["code"]) == (429, "rate_limited"), path
                assert int(slowed.headers["Retry-After"]) > 0
            assert (await other.get("/sessions", headers=bearer(ADMIN))).status_code == 200
            assert (await guesser.get("/sessions")).status_code == 401


async def test_on_a_machine_of_ones_own_nobody_is_slowed(tmp_path: Path) -> None:
    async with bare_web(web_settings(tmp_path)) as client:
        for number in range(BEARERS_PER_MINUTE + 2):
            answer = await client.get("/session/x", headers=bearer(f"a session's {number}"))
            assert answer.status_code == 404
