"""Addresses by VOICE_HOST: our processes and browsers get one at which the service listens."""

from __future__ import annotations

import errno
import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.support.stack import free_ports
from voice_agent.addresses import bind_error, cannot_listen, host_name, in_url, is_loopback, reachable
from voice_agent.errors import Code
from voice_agent.settings import Settings
from voice_agent.stack import livekit, readiness, services
from voice_agent.web.middleware import security_headers

HOSTS = {
    "127.0.0.1": "http://127.0.0.1:9000",
    "127.0.0.2": "http://127.0.0.2:9000",
    "192.168.1.5": "http://192.168.1.5:9000",
    "0.0.0.0": "http://127.0.0.1:9000",
    "::": "http://[::1]:9000",
    "::1": "http://[::1]:9000",
    "localhost": "http://localhost:9000",
}


@pytest.mark.parametrize(("host", "url"), HOSTS.items())
async def test_our_own_processes_ask_where_it_listens(host: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(host=host, admin_secret="x" * 16)
    asked: list[str] = []

    async def http(where: str) -> str:
        asked.append(where)
        return ""

    monkeypatch.setattr(readiness, "http", http)
    await next(service for service in services.table(settings) if service.name == "serve").probe()
    assert asked == [f"{url}/health"]
    assert settings.page_url == url
    [webhook] = json.loads(livekit.configuration(settings))["webhook"]["urls"]
    assert webhook.startswith(f"{url}/")


@pytest.mark.parametrize(
    ("host", "listens"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("127.0.0.2", ["127.0.0.1"]),
        ("192.168.1.5", ["192.168.1.5", "127.0.0.1"]),
        ("0.0.0.0", ["0.0.0.0"]),
        ("::", ["::"]),
    ],
)
def test_livekit_listens_where_the_page_does(host: str, listens: list[str]) -> None:
    settings = Settings(host=host, admin_secret="x" * 16)
    written = json.loads(livekit.configuration(settings))
    assert written["bind_addresses"] == listens
    only_here = written["rtc"].get("node_ip") == "127.0.0.1" and written["rtc"]["interfaces"] == {"includes": ["lo"]}
    assert only_here is is_loopback(host)
    told = {service.name: service.ports[0].host for service in services.table(settings) if service.ours}
    assert (told["livekit"], told["serve"], told["models"]) == (listens[0], host, "127.0.0.1")


@pytest.mark.parametrize(
    ("host", "used", "told"),
    [
        ("0.0.0.0", "192.168.1.5:9000", "ws://192.168.1.5:7880"),
        ("0.0.0.0", "box.lan", "ws://box.lan:7880"),
        ("0.0.0.0", "127.0.0.1:9000", "ws://127.0.0.1:7880"),
        ("0.0.0.0", "a;script-src *", "ws://127.0.0.1:7880"),
        ("0.0.0.0", "", "ws://127.0.0.1:7880"),
        ("::", "[fd00::5]:9000", "ws://[fd00::5]:7880"),
        ("192.168.1.5", "192.168.1.5:9000", "ws://192.168.1.5:7880"),
        ("127.0.0.2", "127.0.0.2:9000", "ws://127.0.0.1:7880"),
        ("127.0.0.1", "evil.example", "ws://127.0.0.1:7880"),
    ],
)
def test_a_browser_is_told_the_host_that_it_used(host: str, used: str, told: str) -> None:
    settings = Settings(host=host, admin_secret="x" * 16)
    url = settings.livekit_url_for(host_name(used))
    assert url == told
    assert f"connect-src 'self' {told} " in security_headers(url)["Content-Security-Policy"]


def test_a_livekit_of_theirs_is_told_as_it_was_given() -> None:
    theirs = Settings(host="0.0.0.0", livekit_url="wss://livekit.example")
    assert theirs.livekit_url_for("box.lan") == "wss://livekit.example"
    public = theirs.model_copy(update={"livekit_public_url": "wss://public.example"})
    assert public.livekit_url_for("box.lan") == "wss://public.example"
    assert Settings(host="0.0.0.0").livekit_url_for("box.lan", secure=True) == "wss://box.lan:7880"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "localhost", ""])
def test_a_port_is_tried_on_the_address_it_is_wanted_on(host: str) -> None:
    [port] = free_ports(1)
    assert bind_error(host, port) is None
    with socket.create_server((reachable(host), port)):
        taken = bind_error(host, port)
    assert taken is not None
    assert taken.errno == errno.EADDRINUSE


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "not an address"])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    error = bind_error(host, 9000)
    assert error is not None
    refused = cannot_listen(host, 9000, "VOICE_PORT", error)
    assert refused.code is Code.SETTING_INVALID
    assert f"VOICE_HOST={host}" in refused.message


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "box.lan"])
def test_a_host_stands_in_a_url_so_that_it_is_read_back(host: str) -> None:
    assert urlsplit(f"http://{in_url(host)}:1").hostname == host
    assert host_name(f"{in_url(host)}:1") == host
