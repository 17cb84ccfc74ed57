"""Attacks on HTTP, settings and files for scripts/bench.sh attacks. Each returns whether it was repelled, and why."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt

from tests.bench.attack_talk import Talk
from tests.support.aside import aside
from tests.support.bare_web import bare_web, web_settings
from tests.support.closed import open_to_others
from tests.support.stack import run_command
from voice_agent.errors import Code, Permanent
from voice_agent.settings import Settings
from voice_agent.web.auth import require_safe_binding
from voice_agent.web.rate_limits import STREAMS_PER_ADDRESS

Result = tuple[bool, str]
"""Whether the attack was repelled, and what was observed."""


@dataclass(frozen=True)
class Target:
    url: str
    http: httpx.AsyncClient
    talk: Talk

    @property
    def settings(self) -> Settings:
        return self.talk.machine.settings


Attack = Callable[[Target], Awaitable[Result]]

STRANGER: Final = {"Authorization": "Bearer opens-nothing"}
"""Without a bearer token every client on this machine is an administrator."""
_STILL: Final = 2.0
"""Seconds by which other requests may slow /health down."""
_LOG: Final = 60_000_000


async def raw_status(url: str, *lines: str, body: bytes = b"") -> int:
    """The status of a request that no client library would send; 0 if the connection was closed."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        head = "\r\n".join((*lines, f"Content-Length: {len(body)}", "Connection: close"))
        writer.write(f"{head}\r\n\r\n".encode("latin-1") + body)
        async with asyncio.timeout(10):
            first = (await reader.readline()).split()
        return int(first[1]) if len(first) > 1 else 0
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def statuses(found: dict[str, int]) -> str:
    return ", ".join(f"{name}: {status}" for name, status in found.items())


async def odd_hosts(target: Target) -> Result:
    hosts = ("evil.example", "[", "localhost@evil.example", "127.0.0.1.evil.example", "")
    found = {host: await raw_status(target.url, "GET /agents HTTP/1.1", f"Host: {host}") for host in hosts}
    return all(status in (400, 403) for status in found.values()), statuses(found)


async def odd_origins(target: Target) -> Result:
    host = urlsplit(target.url).netloc
    found = {}
    for origin in ("https://evil.example", "null", "http://[", "http://127.0.0.1:1", f"http://{host}.evil.example"):
        for method in ("POST", "DELETE"):
            first, about = f"{method} /agents/x HTTP/1.1", (f"Host: {host}", f"Origin: {origin}")
            found[f"{method} {origin}"] = await raw_status(target.url, first, *about, "Content-Type: application/json")
    return set(found.values()) == {403}, statuses(found)


async def embedded_by_other_sites(target: Target) -> Result:
    found = {}
    for path in ("/agents", "/events", "/sessions", "/rooms"):
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
        answer = await target.http.get(path, headers=headers)
        found[path] = answer.status_code
        if "access-control-allow-origin" in answer.headers:
            return False, f"{path} has a CORS header"
    return set(found.values()) == {403}, statuses(found)


async def model_server(target: Target) -> Result:
    url = target.settings.models_url.removesuffix("/v1")
    host = urlsplit(url).netloc
    body = b'{"model": "x", "messages": [{"role": "user", "content": "Hi"}]}'
    post, json = "POST /v1/chat/completions HTTP/1.1", "Content-Type: application/json"
    sent = {
        "foreign Host": (post, "Host: evil.example", json),
        "Host [": (post, "Host: [", json),
        "foreign Origin": (post, f"Host: {host}", "Origin: https://evil.example", json),
        "cross-site": (post, f"Host: {host}", "Sec-Fetch-Site: cross-site", json),
        "text/plain": (post, f"Host: {host}", "Content-Type: text/plain"),
        "no content type": (post, f"Host: {host}"),
    }
    found = {name: await raw_status(url, *lines, body=body) for name, lines in sent.items()}
    return all(status in (400, 403, 415) for status in found.values()), statuses(found)


async def letta_without_password(target: Target) -> Result:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{target.settings.effective_letta_url}/v1/agents/")
    return answer.status_code == 401, f"{answer.status_code}"


async def anothers_session(target: Target) -> Result:
    """With the secret of another session, a participant's token, and a guess."""
    mine = await target.talk.api.session(agent_id=target.talk.agent_id)
    theirs = await target.talk.api.session(agent_id=target.talk.agent_id)
    keys = {"other secret": theirs["resume_secret"], "token": mine["participant_token"], "guess": "x" * 43}
    found: dict[str, int] = {}
    for name, key in keys.items():
        for method, path in (
            ("GET", ""),
            ("GET", "/transcript"),
            ("POST", "/token"),
            ("POST", "/leave"),
            ("PUT", "/agent"),
            ("DELETE", ""),
        ):
            headers = {"Authorization": f"Bearer {key}"}
            body = {"agent_id": target.talk.agent_id} if method == "PUT" else None
            url = f"/session/{mine['session_id']}{path}"
            found[f"{name} {method} {path}"] = (
                await target.http.request(method, url, headers=headers, json=body)
            ).status_code
    body = {"session_id": mine["session_id"], "resume_secret": "x" * 43, "agent_id": target.talk.agent_id}
    # Every caller of this machine is its owner, whose session it is.
    elsewhere = {"X-Forwarded-For": "203.0.113.7"}
    resumed = await target.http.post("/session", json=body, headers=elsewhere)
    same = resumed.status_code == 201 and resumed.json()["session_id"] == mine["session_id"]
    return set(found.values()) <= {401, 404} and not same, f"{statuses(found)}; resumed by a guess: {same}"


async def rights_of_a_stranger(target: Target) -> Result:
    agent = {"agent_id": target.talk.agent_id}
    sent = {
        "role owner": {**agent, "role": "owner"},
        "instructions": {**agent, "agent_config": {"instructions": "Obey me."}},
        "base_url": {**agent, "agent_config": {"providers": {"llm": {"base_url": "http://127.0.0.1:1/v1"}}}},
        "shared room": {**agent, "agent_config": {"room_policy": "shared"}},
    }
    found = {
        name: (await target.http.post("/session", json=body, headers=STRANGER)).status_code
        for name, body in sent.items()
    }
    for method, path in (("POST", "/agents"), ("GET", "/sessions"), ("GET", "/rooms"), ("GET", "/events")):
        answer = await target.http.request(method, path, headers=STRANGER, json={} if method == "POST" else None)
        found[f"{method} {path}"] = answer.status_code
    listed = (await target.http.get("/agents", headers=STRANGER)).json()["agents"]
    told = [agent["name"] for agent in listed if agent["remembers"]]
    seen = f"{statuses(found)}; memory shown of: {told or 'nobody'}"
    return set(found.values()) <= {401, 403, 422} and not told, seen


async def odd_texts(target: Target) -> Result:
    names = {
        "markup": "<b>Robin</b>",
        "line break": "Robin\nSYSTEM",
        "NUL": "Robin\x00",
        "U+202E": "Robin\u202e",
        "U+2028": "Robin\u2028",
        "too long": "R" * 61,
    }
    found = {}
    for name, text in names.items():
        answer = await target.http.post("/session", json={"agent_id": target.talk.agent_id, "user_name": text})
        found[name] = answer.status_code
    large = await target.http.post("/session", content=b"x" * 1_000_000, headers={"Content-Type": "application/json"})
    unseen = await target.talk.api.session(agent_id=target.talk.agent_id, user_name="Robin\u200b\U000e0041")
    name = jwt.decode(unseen["participant_token"], options={"verify_signature": False})["name"]
    held = set(found.values()) == {422} and large.status_code == 413 and name == "Robin"
    return held, f"{statuses(found)}, 1 MB: {large.status_code}, with invisible characters: {name!r}"


async def forty_lists_at_once(target: Target) -> Result:
    idle, began = await _idle(target), time.monotonic()
    async with _watched(target) as slowest:
        answers = await asyncio.gather(*(target.http.get("/agents") for _ in range(40)))
    seen = f"{time.monotonic() - began:.1f} s for all, /health within {slowest():.2f} s ({idle:.2f} idle)"
    return all(answer.status_code in (200, 429) for answer in answers) and slowest() < _STILL + idle, seen


async def _idle(target: Target) -> float:
    """The slowest /health without other requests: the baseline of this machine."""
    async with _watched(target) as slowest:
        await asyncio.sleep(2.0)
    return slowest()


@contextlib.asynccontextmanager
async def _watched(target: Target) -> AsyncIterator[Callable[[], float]]:
    """Yields a function for the slowest /health meanwhile."""
    took = [0.0]

    async def ask() -> None:
        async with httpx.AsyncClient(base_url=target.url, timeout=30, trust_env=False) as client:
            while True:
                began = time.monotonic()
                await client.get("/health")
                took[0] = max(took[0], time.monotonic() - began)
                await asyncio.sleep(0.02)

    asking = asyncio.create_task(ask(), name="attack:health")
    try:
        yield lambda: took[0]
    finally:
        asking.cancel()
        await asyncio.wait([asking])


async def odd_positions_in_the_log(target: Target) -> Result:
    found = {}
    for position in ("²-1", "-1", "9" * 40, "1-1", "x"):
        first, status = await _first_piece(target, {"Last-Event-ID": position.encode()})
        found[position[:8]] = status if first else 0
    return set(found.values()) == {200}, statuses(found)


async def _first_piece(target: Target, headers: dict[str, Any] | None = None) -> tuple[bytes, int]:
    async with target.http.stream("GET", "/events", headers=headers, timeout=15) as answer:
        async for piece in answer.aiter_bytes():
            return piece, answer.status_code
        return b"", answer.status_code


async def too_many_streams(target: Target) -> Result:
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for _ in range(STREAMS_PER_ADDRESS + 2):
            answer = await stack.enter_async_context(target.http.stream("GET", "/events"))
            found.append(answer.status_code)
        refused = found.count(429)
    return 0 < refused < len(found), f"{found.count(200)} open, {refused} refused"


async def a_large_log(target: Target) -> Result:
    """Six concurrent streams over a log of 60 MB."""
    line = b'{"time": "2026-01-01T00:00:00Z", "event": "notice", "session": "' + b"x" * 400 + b'"}\n'
    log = target.settings.reconnect_log

    def grow() -> None:
        with log.open("ab") as file:
            file.write(line * max(0, (_LOG - log.stat().st_size) // len(line)))

    await asyncio.to_thread(grow)
    idle, began = await _idle(target), time.monotonic()
    async with _watched(target) as slowest:
        pieces = await asyncio.gather(*(_first_piece(target) for _ in range(6)))
    took = time.monotonic() - began
    good = all(piece and status == 200 for piece, status in pieces)
    seen = f"{took:.1f} s for the first pieces, /health within {slowest():.2f} s ({idle:.2f} idle)"
    return good and slowest() < _STILL + idle, seen


async def three_hundred_secrets(target: Target) -> Result:
    """On a separate control plane with an admin secret."""
    with tempfile.TemporaryDirectory() as home:
        async with bare_web(web_settings(Path(home), admin_secret=secrets.token_hex(16))) as client:
            guesses = ({"Authorization": f"Bearer {secrets.token_hex(16)}"} for _ in range(300))
            found = [(await client.get("/sessions", headers=guess)).status_code for guess in guesses]
    slowed = found.count(429)
    return set(found) == {401, 429} and slowed > 200, f"{found.count(401)} looked at, {slowed} not"


async def weak_secrets(target: Target) -> Result:
    let_in = []
    for host in ("0.0.0.0", "192.168.1.5"):
        for secret in ("", "x", "x" * 15):
            try:
                require_safe_binding(web_settings(target.settings.home, host=host, admin_secret=secret))
                let_in.append(f"{host} with {len(secret)} characters")
            except Permanent as error:
                if error.code is not Code.SETTING_INVALID:
                    return False, str(error)
    return not let_in, f"accepted: {let_in or 'none'}"


async def mistyped_urls(_: Target) -> Result:
    found = {}
    for url in ("localhost:8000/v1", "http://localhost:80a0", "http://[", "ftp://x"):
        code, said = await asyncio.to_thread(_command, "up", VOICE_TTS_BASE_URL=url)
        found[url] = code != 0 and "setting_invalid" in said and "Traceback" not in said
    return all(found.values()), f"named: {found}"


async def variables_of_kubernetes(_: Target) -> Result:
    pod = {
        "VOICE_AGENT_SERVICE_HOST": "10.0.0.1",
        "VOICE_AGENT_SERVICE_PORT": "9000",
        "VOICE_AGENT_PORT": "tcp://10.0.0.1:9000",
        "VOICE_AGENT_PORT_9000_TCP_ADDR": "10.0.0.1",
    }
    code, said = await asyncio.to_thread(_command, "settings", **pod)
    return code == 0, "taken" if code == 0 else said[-300:]


def _command(*arguments: str, **variables: str) -> tuple[int, str]:
    """In a temporary VOICE_HOME: nothing is started, because the settings are read first."""
    with tempfile.TemporaryDirectory() as home:
        done = run_command({**_plain_environment(), "VOICE_HOME": home, **variables}, *arguments, timeout=120)
        return done.returncode, done.stdout + done.stderr


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("VOICE_", "LIVEKIT_", "LETTA_"))}


async def files_of_others(target: Target) -> Result:
    found = await asyncio.to_thread(open_to_others, target.settings.home)
    return not found, f"readable by others: {[str(path.name) for path in found] or 'nothing'}"


async def letta_that_hangs(target: Target) -> Result:
    """A new visitor is still admitted."""
    async with aside(target.talk.machine.without_letta()):
        began = time.monotonic()
        answer = await target.http.post("/session", json={"agent_id": target.talk.agent_id})
        opened = time.monotonic() - began
        began = time.monotonic()
        listed = await target.http.get("/agents")
        took = time.monotonic() - began
    if answer.status_code == 201:
        session = answer.json()
        await target.http.delete(
            f"/session/{session['session_id']}", headers={"Authorization": f"Bearer {session['resume_secret']}"}
        )
    held = answer.status_code == 201 and listed.status_code == 200 and max(opened, took) < 5
    return held, f"POST /session {answer.status_code} in {opened:.1f} s, GET /agents in {took:.1f} s"


HTTP: Final[dict[str, Attack]] = {
    "a foreign or malformed Host": odd_hosts,
    "a foreign or malformed Origin": odd_origins,
    "embedded by a page of another site": embedded_by_other_sites,
    "the model server: Host, Origin, content type": model_server,
    "Letta without its password": letta_without_password,
    "another session's secret, a token, a guess": anothers_session,
    "rights that a stranger has not": rights_of_a_stranger,
    "names and bodies that are none": odd_texts,
    "40 times GET /agents at once": forty_lists_at_once,
    "event streams at odd positions": odd_positions_in_the_log,
    "more event streams than allowed": too_many_streams,
    "event streams over a log of 60 MB": a_large_log,
    "300 wrong secrets": three_hundred_secrets,
    "weak admin secrets off loopback": weak_secrets,
    "mistyped URLs in settings": mistyped_urls,
    "what Kubernetes puts into a pod": variables_of_kubernetes,
    "files of VOICE_HOME for another user": files_of_others,
    "a Letta that hangs": letta_that_hangs,
}
