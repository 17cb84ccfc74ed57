"""Voices and models that providers offer: as far as their servers tell."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bare_web import web_settings
from tests.support.openai_server import OpenAIServer, running_openai_server
from voice_agent.contracts import ProviderChoices
from voice_agent.errors import Code, Permanent
from voice_agent.models import catalog
from voice_agent.providers import endpoints
from voice_agent.providers.local_server import LOCAL_MODELS
from voice_agent.providers.offers import KEPT, Offers
from voice_agent.providers.sound import wav_file, wav_header, whole_wav
from voice_agent.providers.voices import LOCAL_VOICES, OPENAI_ALIASES, Voice, sentence, told_by_server


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with running_openai_server() as running:
        yield running


def choices(**chosen: Any) -> ProviderChoices:
    return ProviderChoices.model_validate(chosen)


async def refused(offers: Offers, chosen: ProviderChoices) -> Permanent:
    with pytest.raises(Permanent) as caught:
        await offers.require(chosen)
    return caught.value


def test_the_two_tables_of_voices_agree() -> None:
    shown = {name: tuple(voice.id for voice in voices) for name, voices in LOCAL_VOICES.items()}
    assert shown == {name: model.voices for name, model in catalog.MODELS.items() if model.role == "tts"}
    assert set(catalog.VOICE_ALIASES) == OPENAI_ALIASES
    assert {model.name for model in LOCAL_MODELS.values() if model.role == "tts"} == set(LOCAL_VOICES)


def test_a_voice_is_heard_in_its_own_language() -> None:
    assert sentence(Voice("x", "X", "fr"), "en").startswith("Bonjour")
    assert sentence(Voice("x", "X"), "es").startswith("Hola")
    assert sentence(Voice("x", "X", "tlh"), "en").startswith("Hello")


@pytest.mark.parametrize(
    ("told", "ids"),
    [
        (["a", "b", "a"], ["a", "b"]),
        ({"voices": [{"id": "a", "name": "Anna", "language": "de"}, {"name": "b"}]}, ["a", "b"]),
        ({"data": [{"voice_id": "a"}, {"id": 7}, None, ""]}, ["a"]),
        ({"detail": "Not Found"}, []),
        ("voices", []),
        (None, []),
    ],
)
def test_what_a_server_tells_of_its_voices(told: Any, ids: list[str]) -> None:
    assert [voice.id for voice in told_by_server(told)] == ids


async def test_a_local_voice_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    offers = Offers(web_settings(tmp_path))
    error = await refused(offers, choices(tts={"voice": "zeus"}))
    assert error.code is Code.VOICE_UNKNOWN
    assert "zeus" in error.message
    assert "af_heart" in error.remedy
    for known in ("bm_george", "nova"):
        await offers.require(choices(tts={"voice": known}))
    assert (await refused(offers, choices(tts={"model": "piper-joe-medium", "voice": "af_heart"}))).remedy.endswith(
        "joe."
    )


@pytest.mark.parametrize(
    ("role", "model", "known"),
    [("tts", "kokoro-83m", "kokoro-82m"), ("llm", "kokoro-82m", "smollm2-135m-instruct"), ("stt", "x", "whisper-base")],
)
async def test_a_local_model_that_does_not_exist_is_refused_even_while_the_models_are_away(
    tmp_path: Path, role: str, model: str, known: str
) -> None:
    error = await refused(Offers(web_settings(tmp_path)), choices(**{role: {"model": model}}))
    assert error.code is Code.MODEL_NOT_SERVED
    assert known in error.remedy
    assert model not in error.remedy
    await Offers(web_settings(tmp_path)).require(choices(**{role: {"model": known}}))


async def test_a_local_model_that_is_not_served_is_refused(tmp_path: Path, server: OpenAIServer) -> None:
    server.models = {"data": [{"id": "recorder"}, {"id": "kokoro-82m"}, {"id": "smollm2-135m-instruct-background"}]}
    settings = web_settings(tmp_path, models_port=server.http.server_address[1])
    error = await refused(Offers(settings), choices(tts={"model": "piper-joe-medium"}))
    assert error.remedy == "Choose one of: kokoro-82m."
    await Offers(settings).require(choices(tts={"model": "kokoro-82m"}))


@pytest.mark.parametrize("told", [None, {"data": []}, {"data": [{"id": "openai/*"}]}, ["?"], {"data": 7}])
async def test_a_remote_model_is_let_through_where_nothing_is_known(
    tmp_path: Path, server: OpenAIServer, told: Any
) -> None:
    server.models = told
    await Offers(web_settings(tmp_path)).require(choices(llm={"base_url": server.base_url, "model": "anything"}))


async def test_a_remote_model_is_refused_where_the_server_lists_others(tmp_path: Path, server: OpenAIServer) -> None:
    server.models = {"data": [{"id": "llama3:latest"}, {"id": "qwen"}]}
    offers = Offers(web_settings(tmp_path))
    error = await refused(offers, choices(llm={"base_url": server.base_url, "model": "gpt-9"}))
    assert (error.code, error.remedy) == (Code.MODEL_NOT_SERVED, "Choose one of: llama3:latest, qwen.")
    for known in ("qwen", "llama3"):
        await offers.require(choices(llm={"base_url": server.base_url, "model": known}))


async def test_a_remote_voice_is_refused_only_where_the_server_lists_its_voices(
    tmp_path: Path, server: OpenAIServer
) -> None:
    now = 0.0
    offers = Offers(web_settings(tmp_path), lambda: now)
    chosen = choices(tts={"base_url": server.base_url, "voice": "zeus"})
    await offers.require(chosen)
    server.voices = {"voices": ["hera", "ares"]}
    await offers.require(chosen)
    assert len(server.asked) == 1, "an answer is kept for a while"
    now = KEPT
    assert (await refused(offers, chosen)).remedy == "Choose one of: hera, ares."


async def test_a_plugin_and_a_dead_server_let_everything_through(tmp_path: Path) -> None:
    offers = Offers(web_settings(tmp_path))
    await offers.require(choices(tts={"provider": "cartesia", "model": "m", "voice": "v"}))
    await offers.require(choices(tts={"base_url": "http://127.0.0.1:9/v1", "model": "m", "voice": "v"}))


async def test_the_key_of_the_installation_goes_to_its_own_server_only(tmp_path: Path, server: OpenAIServer) -> None:
    settings = web_settings(tmp_path, openai_api_key="a-secret", openai_base_url="http://127.0.0.1:9/v1")
    chosen = choices(tts={"base_url": server.base_url, "voice": "zeus"})
    assert endpoints.tts(settings, chosen.tts).api_key != "a-secret"
    await Offers(settings).require(chosen)
    assert "a-secret" not in json.dumps(server.asked)


PCM = b"\x01\x02" * 500


def test_a_streamed_wav_gets_its_true_length() -> None:
    assert whole_wav(wav_header(24_000) + PCM) == wav_file(PCM, 24_000)
    assert whole_wav(wav_file(PCM, 22_050)) == wav_file(PCM, 22_050)
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    whole = wav_file(PCM, 24_000)
    assert whole_wav(whole[:12] + extra + whole[12:]) == whole


@pytest.mark.parametrize(
    "sound",
    [
        b"",
        b"ID3 is an MP3",
        wav_header(24_000),
        wav_file(PCM, 24_000)[:30],
        wav_file(PCM, 24_000).replace(struct.pack("<HH", 1, 1), struct.pack("<HH", 3, 1), 1),
        b"RIFF1234WAVEdata" + struct.pack("<I", 1000) + PCM,
    ],
)
def test_what_is_no_wav_is_not_passed_on(sound: bytes) -> None:
    assert whole_wav(sound) is None
