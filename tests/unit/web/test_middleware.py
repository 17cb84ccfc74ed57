"""Request middleware: checks of Host, Origin, Sec-Fetch-Site and Content-Length."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.bare_web import bare_web, web_settings

ADMIN = "an-admin-secret-for-tests"
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with bare_web(web_settings(tmp_path)) as client:
        yield client


@pytest.fixture
async def public(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = web_settings(
        tmp_path, admin_secret=ADMIN, host="Voice.lan", cors_origins="https://shop.test, https://voice.test:8443"
    )
    async with bare_web(settings) as client:
        yield client


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("host", ["[", "[::1", "a]", "", "a\uff0fb", ":9000"])
async def test_a_host_that_cannot_be_parsed_is_refused(
    local: httpx.AsyncClient, public: httpx.AsyncClient, host: str
) -> None:
    for client in (local, public):
        answer = await client.get("/health", headers=[(b"host", host.encode("utf-8"))])
        assert code(answer) == (403, "forbidden")


@pytest.mark.parametrize("origin", ["http://[", "null", "", "http://", "http://[::1]x", "²"])
async def test_an_origin_that_cannot_be_parsed_is_another_site(local: httpx.AsyncClient, origin: str) -> None:
    for method in ("GET", "POST"):
        answer = await local.request(method, "/agents", headers=[(b"origin", origin.encode("utf-8"))])
        assert code(answer) == (403, "forbidden")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
async def test_what_a_page_of_another_site_embeds_is_refused(local: httpx.AsyncClient, site: str) -> None:
    embedded = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    for path in ("/agents", "/events", "/", "/openapi.json", "/health", "/vendor/livekit-client.esm.mjs"):
        assert code(await local.get(path, headers=embedded)) == (403, "forbidden"), path
    navigation = NAVIGATION | {"Sec-Fetch-Site": site}
    for path in ("/", "/talk/agent-1", "/talk/Caf%C3%A9", "/conversations", "/conversations/s1"):
        answer = await local.get(path, headers=navigation)
        assert (answer.status_code, "<!doctype html>" in answer.text) == (200, True), path
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    for path in ("/talk", "/talk/a/b", "/conversations/s1/x", "/conversationsx", "/people/me/conversations"):
        assert code(await local.get(path, headers=navigation)) == (403, "forbidden"), path
    assert code(await local.get("/agents", headers=navigation)) == (403, "forbidden")
    assert code(await local.post("/", headers=navigation)) == (403, "forbidden")


async def test_our_page_a_typed_address_and_a_named_origin_are_served(
    local: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    own = str(local.base_url).rstrip("/")
    for headers in (
        {},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "none"} | NAVIGATION,
        {"Sec-Fetch-Site": "same-origin", "Origin": own},
    ):
        assert (await local.get("/health", headers=headers)).status_code == 200, headers
    shop = {"Sec-Fetch-Site": "cross-site", "Origin": "https://shop.test"}
    assert (await public.get("/health", headers=shop)).status_code == 200
    evil = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}
    assert code(await public.get("/health", headers=evil)) == (403, "forbidden")


async def test_without_an_admin_secret_only_the_names_of_loopback_count(local: httpx.AsyncClient) -> None:
    for host in ("127.0.0.1:9000", "localhost", "LOCALHOST:1", "[::1]:9000"):
        assert (await local.get("/health", headers={"Host": host})).status_code == 200, host
    for host in ("evil.test", "192.168.1.5:9000", "shop.test", "127.0.0.1.evil.test"):
        assert code(await local.get("/health", headers={"Host": host})) == (403, "forbidden"), host


async def test_with_an_admin_secret_addresses_and_named_names_count_too(public: httpx.AsyncClient) -> None:
    for host in ("localhost", "192.168.1.5:9000", "[fd00::5]:9000", "voice.lan:9000", "voice.test:8443", "Shop.test"):
        assert (await public.get("/health", headers={"Host": host})).status_code == 200, host
    for host in ("evil.test", "voice.lan.evil.test", "192.168.1.5.evil.test"):
        assert code(await public.get("/health", headers={"Host": host})) == (403, "forbidden"), host


@pytest.mark.parametrize("length", ["²", "-1", "9" * 5000, "1e3", ""])
async def test_a_length_that_is_no_number_is_refused(local: httpx.AsyncClient, length: str) -> None:
    headers = [(b"content-length", length.encode("latin-1"))]
    assert code(await local.get("/health", headers=headers)) == (413, "too_large")
