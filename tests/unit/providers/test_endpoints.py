"""Provider, model and voice of an assistant: its own choice first, role by role."""

from __future__ import annotations

from typing import Any

import pytest

from voice_agent.contracts import ProviderChoice, SttChoice, TtsChoice
from voice_agent.errors import Code, Permanent
from voice_agent.models.catalog import MPNET
from voice_agent.models.processes import plans
from voice_agent.providers import endpoints
from voice_agent.providers.endpoints import NO_KEY, OPENAI, OPENAI_URL
from voice_agent.settings import Settings


def settings(**values: Any) -> Settings:
    return Settings.model_validate(values)


def test_without_a_key_everything_is_on_this_machine() -> None:
    here = settings()
    assert [one.local for one in (endpoints.stt(here), endpoints.llm(here), endpoints.tts(here))] == [True] * 3


def test_what_an_assistant_chose_comes_before_what_the_installation_says() -> None:
    installed = settings(OPENAI_API_KEY="k", VOICE_TTS_VOICE="ash", VOICE_TTS_SPEED=1.2, VOICE_STT_LANGUAGE="de")
    own = endpoints.tts(installed, TtsChoice(voice="coral", model="tts-1-hd"))
    assert (own.base_url, own.api_key, own.model, own.voice, own.speed) == (OPENAI_URL, "k", "tts-1-hd", "coral", 1.2)
    assert endpoints.tts(installed, TtsChoice(speed=0.8)).speed == 0.8
    assert endpoints.stt(installed).language == "de"
    assert endpoints.stt(installed, SttChoice(language="fr")).language == "fr"


def test_the_installations_key_goes_nowhere_but_where_it_belongs() -> None:
    installed = settings(OPENAI_API_KEY="k", VOICE_LLM_BASE_URL="http://llm/v1", VOICE_LLM_API_KEY="l")
    assert endpoints.llm(installed).api_key == "l"
    assert endpoints.llm(installed, ProviderChoice(model="other")).api_key == "l"
    assert endpoints.llm(installed, ProviderChoice(base_url="http://elsewhere/v1")).api_key == NO_KEY
    assert endpoints.tts(installed, TtsChoice(base_url="http://elsewhere/v1")).api_key == NO_KEY
    assert "very-secret" not in repr(endpoints.tts(settings(OPENAI_API_KEY="very-secret")))


def test_another_provider_does_not_get_the_installations_model_and_voice() -> None:
    installed = settings(VOICE_TTS_PROVIDER="cartesia", VOICE_TTS_MODEL="sonic", VOICE_TTS_VOICE="someone")
    other = endpoints.tts(installed, TtsChoice(provider="deepgram"))
    assert (other.provider, other.model, other.voice, other.local) == ("deepgram", "", "", False)
    same = endpoints.tts(installed, TtsChoice(provider="cartesia", speed=1.5))
    assert (same.provider, same.model, same.voice, same.speed) == ("cartesia", "sonic", "someone", 1.5)
    assert endpoints.tts(installed, TtsChoice(provider=OPENAI)).local


def test_a_provider_that_is_not_there_is_named_with_its_package() -> None:
    assert endpoints.missing("openai") is None
    refusal = endpoints.missing("fish_audio")
    assert refusal is not None
    assert refusal.code is Code.PROVIDER_UNAVAILABLE
    assert "livekit-plugins-fish-audio" in refusal.remedy


def test_an_unknown_local_model_is_refused() -> None:
    with pytest.raises(Permanent) as refused:
        endpoints.stt(settings(), SttChoice(model="no-such-model"))
    assert refused.value.code is Code.MODEL_UNKNOWN


@pytest.mark.parametrize(
    ("told", "base_url", "key", "model"),
    [
        ({}, "http://127.0.0.1:8290/v1", NO_KEY, MPNET.name),
        ({"OPENAI_API_KEY": "k"}, OPENAI_URL, "k", "text-embedding-3-small"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{OPENAI_URL}/"}, OPENAI_URL, "k", "text-embedding-3-small"),
        ({"OPENAI_API_KEY": "k", "VOICE_EMBEDDING_MODEL": "other"}, OPENAI_URL, "k", "other"),
        (
            {"OPENAI_API_KEY": "k", "VOICE_EMBEDDING_MODEL": MPNET.name},
            "http://127.0.0.1:8290/v1",
            NO_KEY,
            MPNET.name,
        ),
        # Another server may have no embeddings: it is asked only for a model that somebody named.
        ({"OPENAI_BASE_URL": "http://llm/v1"}, "http://127.0.0.1:8290/v1", NO_KEY, MPNET.name),
        (
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://llm/v1"},
            "http://127.0.0.1:8290/v1",
            NO_KEY,
            MPNET.name,
        ),
        (
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://api.openai.com.evil/v1"},
            "http://127.0.0.1:8290/v1",
            NO_KEY,
            MPNET.name,
        ),
        (
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://llm/v1", "VOICE_EMBEDDING_MODEL": "bge"},
            "http://llm/v1",
            "k",
            "bge",
        ),
        # The OpenAI key goes nowhere else.
        (
            {"OPENAI_API_KEY": "k", "VOICE_EMBEDDING_BASE_URL": "http://e/v1/"},
            "http://e/v1",
            NO_KEY,
            "text-embedding-3-small",
        ),
        (
            {"VOICE_EMBEDDING_BASE_URL": "http://e/v1", "VOICE_EMBEDDING_API_KEY": "e", "VOICE_EMBEDDING_MODEL": "bge"},
            "http://e/v1",
            "e",
            "bge",
        ),
    ],
)
def test_where_embeddings_come_from(told: dict[str, str], base_url: str, key: str, model: str) -> None:
    found = endpoints.embedding(settings(**told))
    assert (found.base_url, found.api_key, found.model) == (base_url, key, model)
    assert found.local is (model == MPNET.name)
    assert found.version


def test_embeddings_have_a_process_of_their_own() -> None:
    assert [plan.name for plan in plans(settings())] == ["speech", "llm", "embedding", "turn"]
    assert [plan.name for plan in plans(settings(OPENAI_BASE_URL="http://llm/v1"))] == ["embedding", "turn"]
    assert [plan.name for plan in plans(settings(OPENAI_API_KEY="k", VOICE_TURN_END="silence"))] == []
    assert [plan.name for plan in plans(settings(OPENAI_API_KEY="k"))] == ["turn"]


def test_an_embedding_model_is_not_a_voice() -> None:
    with pytest.raises(Permanent, match="no model for embedding"):
        endpoints.embedding(settings(VOICE_EMBEDDING_MODEL="kokoro-82m"))
    with pytest.raises(Permanent, match="no local model named"):
        endpoints.embedding(settings(VOICE_EMBEDDING_MODEL="no-such-model"))
