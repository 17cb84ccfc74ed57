"""Signing in at an OpenID Connect provider: a real one, in a process of its own, that can be told to err."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.support.bare_web import bare_app, web_settings
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.database_text import all_text
from tests.support.letta_directory import LettaDirectoryServer
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, MISTAKES, RunningProvider, running_provider
from voice_agent.rooms.repository import RoomRepository
from voice_agent.settings import Settings
from voice_agent.storage import Database

ADMIN = "an-admin-secret-for-tests"
SIGN_IN = {"oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}


@pytest.fixture
def provider() -> Iterator[RunningProvider]:
    with running_provider() as running:
        yield running


@pytest.fixture(params=[{"admin_secret": ADMIN}, {}], ids=["public", "this machine only"])
async def anywhere(
    request: pytest.FixtureRequest,
    control_settings: Settings,
    letta: LettaDirectoryServer,
    provider: RunningProvider,
) -> AsyncIterator[ControlPlane]:
    more = SIGN_IN | {"oidc_issuer": provider.issuer, "sessions_per_minute": 60} | request.param
    async with control_plane(control_settings.model_copy(update=more)) as plane:
        yield plane


@pytest.fixture
async def database(control_settings: Settings) -> AsyncIterator[Database]:
    opened = Database(control_settings.effective_database_url)
    yield opened
    await opened.close()


@asynccontextmanager
async def browser_of(plane: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=plane.http.base_url, trust_env=False, timeout=30.0) as client:
        yield client


async def at_provider(browser: httpx.AsyncClient) -> str:
    """The address to which the provider sends the browser back."""
    start = await browser.get("/sign-in/start")
    assert start.status_code == 303, start.text
    asked = await browser.get(start.headers["location"])
    return str(asked.headers["location"])


async def signs_in(browser: httpx.AsyncClient) -> str:
    """Where the browser ends."""
    back = await browser.get(await at_provider(browser))
    assert (back.status_code, back.headers["Cache-Control"]) == (303, "no-store")
    return str(back.headers["location"])


async def who(browser: httpx.AsyncClient) -> dict[str, object] | None:
    answer: dict[str, dict[str, object] | None] = (await browser.get("/sign-in")).json()
    assert answer["available"]
    return answer["person"]


async def test_a_person_is_the_same_in_every_browser(
    anywhere: ControlPlane, database: Database, provider: RunningProvider
) -> None:
    async with browser_of(anywhere) as one, browser_of(anywhere) as other:
        assert await who(one) is None
        for browser in (one, other):
            assert await signs_in(browser) == "/"
        anna = await who(one)
        assert anna is not None
        assert anna == await who(other)
        assert (anna["kind"], anna["user_name"], anna["has_key"]) == ("user", "Anna", False)
        for told in ("anna", "example", "@", "127.0.0.1"):
            assert told not in str(anna["person_id"]), "made of issuer and subject, and tells neither"
        opened = []
        for browser in (one, other):
            answer = await browser.post("/session", json={"agent_id": "agent-1", "browser_key": "unknown"})
            assert answer.status_code == 201, answer.text
            opened.append(answer.json())
            assert answer.json()["person"] == {"id": anna["person_id"], "kind": "user"}
            assert (answer.json()["browser_key"], answer.json()["notice"]) == (None, None)
        jobs = [await RoomRepository(database, lambda: 0.0).get(session["room_name"]) for session in opened]
        threads = {job.job.user_id for job in jobs if job is not None}
        assert len(threads) == 1, "one conversation that goes on"
        assert [job.job.user_name for job in jobs if job is not None] == ["Anna", "Anna"]
        renamed = await one.put("/people/me", json={"user_name": "Nan"})
        assert renamed.json()["user_name"] == "Nan"
        assert await signs_in(other) == "/"
        assert (await who(other) or {})["user_name"] == "Nan", "what she chose stays"
        provider.tell(sub="ben", name="<b>Ben</b>")
        assert await signs_in(other) == "/"
        ben = await who(other)
        assert ben is not None
        assert ben["person_id"] != anna["person_id"]
        assert ben["user_name"] == "", "not a name that can be said"


async def test_signed_out_the_cookie_opens_nothing(anywhere: ControlPlane, database: Database) -> None:
    async with browser_of(anywhere) as browser:
        await signs_in(browser)
        cookie = browser.cookies["va_session"]
        anna = await who(browser)
        assert anna is not None
        assert (await browser.get(f"/people/{anna['person_id']}/memory")).status_code == 200
        files = await asyncio.to_thread(
            lambda: b"".join(path.read_bytes() for path in anywhere.settings.home.glob("voice.db*"))
        )
        log = await asyncio.to_thread(anywhere.settings.reconnect_log.read_bytes)
        for secret in (cookie, CLIENT_SECRET):
            assert secret.encode() not in files + log
        assert (await browser.post("/sign-out")).status_code == 204
        assert "va_session" not in browser.cookies
        browser.cookies.set("va_session", cookie, domain="127.0.0.1")
        assert await who(browser) is None


async def test_a_signed_in_person_exports_and_deletes_themselves(anywhere: ControlPlane, database: Database) -> None:
    async with browser_of(anywhere) as browser:
        await signs_in(browser)
        anna = await who(browser)
        assert anna is not None
        await browser.post("/session", json={"agent_id": "agent-1"})
        export = (await browser.get("/people/me/export")).json()
        assert export["person"] == anna
        assert len(export["sessions"]) == 1
        assert (await browser.delete("/people/me")).json()["state"] == "done"
        assert await who(browser) is None, "the sign-in is deleted, too"
        assert str(anna["person_id"]) not in await all_text(database)


@pytest.mark.parametrize("mistake", [*MISTAKES, "denied", "configuration"])
async def test_an_answer_that_does_not_count(
    control_settings: Settings, letta: LettaDirectoryServer, provider: RunningProvider, mistake: str
) -> None:
    settings = control_settings.model_copy(update=SIGN_IN | {"oidc_issuer": provider.issuer})
    async with control_plane(settings) as plane, browser_of(plane) as browser:
        provider.tell(mistake=mistake)
        if mistake == "configuration":
            assert (await browser.get("/sign-in/start")).headers["location"] == "/?sign_in=sign_in_failed"
        else:
            assert await signs_in(browser) == "/?sign_in=sign_in_failed"
        assert await who(browser) is None
        assert "va_session" not in browser.cookies
        written = await asyncio.to_thread(settings.reconnect_log.read_text)
        assert '"code":"sign_in_failed"' in written.replace(" ", "")
        expected = {
            "nonce": "nonce",
            "audience": "aud",
            "azp": "aud",
            "issuer": "iss",
            "expired": "Expired",
            "foreign key": "BadSignature",
            "no token": "no ID token",
            "denied": "did not sign you in",
            "configuration": "another issuer",
        }
        assert expected.get(mistake, "") in written, written
        provider.tell(mistake="")
        assert await signs_in(browser) == "/", "and then it works"


async def test_a_provider_that_is_away(
    control_settings: Settings, letta: LettaDirectoryServer, provider: RunningProvider
) -> None:
    settings = control_settings.model_copy(update=SIGN_IN | {"oidc_issuer": provider.issuer})
    async with control_plane(settings) as plane, browser_of(plane) as browser:
        callback = await at_provider(browser)
        provider.stop()
        for path in (callback, "/sign-in/start"):
            assert (await browser.get(path)).headers["location"] == "/?sign_in=sign_in_unavailable"
        assert await who(browser) is None


async def test_an_answer_counts_once_and_in_its_browser_only(
    control_settings: Settings, letta: LettaDirectoryServer, provider: RunningProvider
) -> None:
    settings = control_settings.model_copy(update=SIGN_IN | {"oidc_issuer": provider.issuer})
    refused = "/?sign_in=sign_in_failed"
    async with control_plane(settings) as plane, browser_of(plane) as one, browser_of(plane) as other:
        hers = await at_provider(one)
        await at_provider(other)
        assert (await other.get(hers)).headers["location"] == refused, "a link to sign in as somebody else"
        assert (await one.get(hers)).headers["location"] == "/"
        for headers in ({}, {"Cookie": "va_sign_in=unknown"}):
            assert (await plane.http.get(hers, headers=headers)).headers["location"] == refused
        mine = await at_provider(one)
        state = parse_qs(urlsplit(mine).query)["state"][0]
        wrong = mine.replace(state, "x" * len(state))
        assert (await one.get(wrong)).headers["location"] == refused
        assert (await one.get(mine)).headers["location"] == refused, "the attempt is over"


async def test_other_sites_cannot_begin_it_and_the_way_back_is_open(
    control_settings: Settings, letta: LettaDirectoryServer, provider: RunningProvider
) -> None:
    settings = control_settings.model_copy(update=SIGN_IN | {"oidc_issuer": provider.issuer})
    follows = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    async with control_plane(settings) as plane, browser_of(plane) as browser:
        assert (await browser.get("/sign-in/start", headers=follows)).status_code == 403
        callback = await at_provider(browser)
        assert (await browser.post("/sign-out", headers={"Origin": "https://evil.example"})).status_code == 403
        assert (await browser.get(callback, headers=follows)).headers["location"] == "/"


async def test_where_no_provider_is_set(plane: ControlPlane) -> None:
    assert (await plane.http.get("/sign-in")).json() == {"available": False, "person": None}
    assert (await plane.http.get("/sign-in/start")).headers["location"] == "/?sign_in=sign_in_off"


@pytest.mark.parametrize(
    ("url", "secure"),
    [("http://127.0.0.1:9000", False), ("https://voice.example.org", True)],
    ids=["loopback", "off it"],
)
async def test_the_cookies_are_out_of_reach(
    tmp_path: object, control_settings: Settings, provider: RunningProvider, url: str, secure: bool
) -> None:
    more = SIGN_IN | {
        "oidc_issuer": provider.issuer,
        "admin_secret": ADMIN,
        "cors_origins": "https://voice.example.org",
    }
    settings = web_settings(control_settings.home, **more)
    async with bare_app(settings) as app:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=url) as browser, httpx.AsyncClient() as outside:
            start = await browser.get("/sign-in/start")
            asked = await outside.get(start.headers["location"])
            back = await browser.get(asked.headers["location"])
            assert back.headers["location"] == "/"
            for header in (*start.headers.get_list("set-cookie"), back.headers.get_list("set-cookie")[0]):
                parts = {part.strip().lower() for part in header.split(";")}
                assert {"httponly", "samesite=lax"} <= parts
                assert ("secure" in parts) is secure
            insecure = await browser.get(url.replace("https", "http") + "/sign-in/start")
            assert insecure.headers["location"].startswith("/?sign_in=sign_in_failed") is secure, "needs HTTPS"
