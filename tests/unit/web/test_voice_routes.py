"""Voice routes: the list, a preview that is made once, and a voice or model that is refused when it is saved."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.bare_web import bare_app, bare_web, client_of, web_settings
from tests.support.openai_server import OpenAIServer, running_openai_server
from voice_agent.providers.local_server import PREVIEW
from voice_agent.web import voice_previews
from voice_agent.web.voice_previews import PREVIEWS_PER_MINUTE


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with running_openai_server() as running:
        running.voices = ["hera", "ares"]
        yield running


@pytest.fixture
async def client(tmp_path: Path, server: OpenAIServer) -> AsyncIterator[httpx.AsyncClient]:
    """Of a server whose TTS is remote."""
    settings = web_settings(tmp_path, tts_base_url=server.base_url, tts_voice="ares")
    async with bare_web(settings) as found:
        yield found


async def test_the_local_voices_are_listed_with_name_and_language(tmp_path: Path) -> None:
    async with bare_web(web_settings(tmp_path)) as client:
        listed = (await client.get("/voices")).json()
    assert (listed["complete"], listed["default"]) == (True, "af_heart")
    heart = {"id": "af_heart", "name": "Heart", "language": "en-US", "preview": True}
    assert listed["voices"][0] == heart
    assert len(listed["voices"]) == 15


async def test_voices_of_a_remote_server_are_listed_where_it_tells(
    client: httpx.AsyncClient, server: OpenAIServer
) -> None:
    listed = (await client.get("/voices")).json()
    assert [voice["id"] for voice in listed["voices"]] == ["hera", "ares"]
    assert (listed["complete"], listed["default"]) == (True, "ares")


async def test_a_plugin_has_no_previews(tmp_path: Path) -> None:
    async with bare_web(web_settings(tmp_path, tts_provider="cartesia")) as client:
        assert (await client.get("/voices")).json()["voices"] == []
        assert (await client.get("/voices/af_heart/preview")).status_code == 404


async def test_a_preview_is_a_wav_that_is_heard_and_made_once(client: httpx.AsyncClient, server: OpenAIServer) -> None:
    first, second = await asyncio.gather(*(client.get("/voices/hera/preview") for _ in range(2)))
    assert (first.status_code, first.headers["content-type"]) == (200, "audio/wav")
    assert first.content == second.content
    with wave.open(io.BytesIO(first.content)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 24_000)
        heard = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    assert len(heard) == 12_000
    assert np.abs(heard).mean() > 1000
    [spoken] = server.spoken
    assert (spoken["voice"], spoken["response_format"]) == ("hera", "wav")
    assert spoken["input"].startswith("Hello.")
    await client.get("/voices/ares/preview")
    assert [one["voice"] for one in server.spoken] == ["hera", "ares"]


async def test_only_listed_voices_speak(client: httpx.AsyncClient, server: OpenAIServer) -> None:
    answer = await client.get("/voices/zeus/preview")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert server.spoken == []


@pytest.mark.parametrize(("status", "sound"), [(500, b""), (200, b"<html>"), (200, bytes(voice_previews.LARGEST + 1))])
async def test_a_voice_that_does_not_speak_is_told_and_tried_again(
    client: httpx.AsyncClient, server: OpenAIServer, status: int, sound: bytes
) -> None:
    server.speech_status, server.sound = status, sound
    answer = await client.get("/voices/hera/preview")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "tts_failed")
    server.speech_status, server.sound = 200, b""
    assert (await client.get("/voices/hera/preview")).status_code == 200


async def test_a_preview_does_not_wait_for_ever(
    client: httpx.AsyncClient, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice_previews, "DEADLINE", 0.1)
    server.released.clear()
    answer = await client.get("/voices/hera/preview")
    assert answer.status_code == 503
    server.released.set()


async def test_the_local_models_are_told_that_it_is_a_preview(tmp_path: Path, server: OpenAIServer) -> None:
    settings = web_settings(tmp_path, models_port=server.http.server_address[1])
    async with bare_web(settings) as client:
        assert (await client.get("/voices/ff_siwis/preview")).status_code == 200
        [spoken] = server.spoken
        assert spoken["input"].startswith("Bonjour")
        assert server.priorities == [PREVIEW]
        server.speech_status = 503
        answer = await client.get("/voices/af_bella/preview")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_busy")


async def test_an_address_may_listen_so_often(tmp_path: Path, server: OpenAIServer) -> None:
    settings = web_settings(tmp_path, tts_base_url=server.base_url)
    async with bare_app(settings) as app, client_of(app, settings) as client:
        answers = [await client.get("/voices/hera/preview") for _ in range(PREVIEWS_PER_MINUTE + 2)]
        assert answers[0].status_code == 200
        assert (answers[-1].status_code, answers[-1].json()["error"]["code"]) == (429, "rate_limited")
        async with client_of(app, settings, "127.0.0.2") as other:
            assert (await other.get("/voices/hera/preview")).status_code == 200
    assert len(server.spoken) == 1


@pytest.mark.parametrize(
    ("tts", "code"), [({"voice": "zeus"}, "voice_unknown"), ({"model": "kokoro-83m"}, "model_not_served")]
)
async def test_what_does_not_exist_is_refused_when_it_is_saved(tmp_path: Path, tts: dict[str, Any], code: str) -> None:
    body = {"name": "A", "config": {"providers": {"tts": tts}}}
    async with bare_web(web_settings(tmp_path)) as client:
        answers = [
            await client.post("/agents", json=body),
            await client.put("/agents/va-1", json=body, headers={"If-Match": '"1"'}),
        ]
    for answer in answers:
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, code)
        assert error["remedy"].startswith("Choose one of: ")
