"""Access check of the model server: programs of this machine are answered, web pages of other sites are not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from starlette.applications import Starlette

from voice_agent.models.app import application
from voice_agent.settings import Settings

URL = "http://127.0.0.1:8290"
ANSWERED = {200, 400, 404}
"""It got past the guard; what is wrong with it is said by others."""
FORM = {"file": ("a.wav", b"", "audio/wav")}


@pytest.fixture(scope="module", params=["", "a-secret-of-sixteen"], ids=["without a secret", "with a secret"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Starlette:
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, cache=home, admin_secret=request.param, internal_secret=request.param)
    return application(settings, home)


@pytest.fixture
async def server(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        yield client


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "remedy", "type", "param"}
    assert error["code"] == code
    assert error["message"]
    assert error["remedy"]


@pytest.mark.parametrize("host", ["127.0.0.1:8290", "localhost:8290", "127.0.0.2", "[::1]:8290"])
async def test_every_address_of_this_machine_reads(server: httpx.AsyncClient, host: str) -> None:
    assert (await server.get("/v1/models", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example:8290", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "192.168.1.5", "[", "", "a b"]
)
@pytest.mark.parametrize("path", ["/v1/models", "/health", "/nothing"])
async def test_a_name_pointed_at_this_machine_reads_nothing(server: httpx.AsyncClient, host: str, path: str) -> None:
    refused(await server.get(path, headers={"Host": host}), 403, "forbidden")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Origin": "https://127.0.0.1:8290"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
async def test_pages_of_other_sites_are_refused(server: httpx.AsyncClient, headers: dict[str, str]) -> None:
    refused(await server.get("/v1/models", headers=headers), 403, "forbidden")
    refused(await server.post("/v1/embeddings", json={}, headers=headers), 403, "forbidden")
    preflight = {"Access-Control-Request-Method": "POST", **headers}
    refused(await server.options("/v1/embeddings", headers=preflight), 403, "forbidden")


@pytest.mark.parametrize("headers", [{"Origin": URL}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}])
async def test_what_this_server_or_a_person_opens_is_answered(
    server: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    assert (await server.get("/v1/models", headers=headers)).status_code == 200


@pytest.mark.parametrize("sent", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/v1/audio/speech"])
async def test_only_json_is_taken(server: httpx.AsyncClient, path: str, sent: str | None) -> None:
    body = json.dumps({"model": "text-embedding-3-small", "messages": [], "input": ""})
    answer = await server.post(path, content=body, headers={"Content-Type": sent} if sent else {})
    refused(answer, 415, "media_type_refused")
    said = await server.post(path, content="{}", headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert said.status_code in ANSWERED


async def test_a_recording_comes_as_a_form(server: httpx.AsyncClient) -> None:
    refused(await server.post("/v1/audio/transcriptions", json={}), 415, "media_type_refused")
    assert (await server.post("/v1/audio/transcriptions", files=FORM)).status_code in ANSWERED


async def test_openais_client_is_let_in(server: httpx.AsyncClient) -> None:
    http: Any = server
    async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key="any", max_retries=0, http_client=http) as client:
        assert (await client.models.list()).data
        with pytest.raises(openai.BadRequestError):
            await client.embeddings.create(model="text-embedding-3-small", input="")
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="any", messages=[])
        with pytest.raises(openai.BadRequestError):
            await client.audio.speech.create(model="tts-1", voice="alloy", input="")
        with pytest.raises(openai.NotFoundError):
            await client.audio.transcriptions.create(model="none", file=("a.wav", b"x"))
