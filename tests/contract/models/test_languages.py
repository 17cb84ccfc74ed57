"""Spanish and French by the model server: heard by a recogniser that starts when it is first asked for."""

from __future__ import annotations

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.models import LOADED_WITHIN, RunningModels
from tests.support.speech import say

SAID = {
    "es": ("ef_dora", "El tren sale a las ocho desde la estación central.", ("tren", "estación", "central")),
    "fr": ("ff_siwis", "Le train part à huit heures de la gare centrale.", ("train", "centrale")),
}


def heard(models: RunningModels, sound: bytes, **more: str) -> httpx.Response:
    return httpx.post(
        f"{models.base_url}/audio/transcriptions",
        files={"file": ("sound.wav", sound, "audio/wav")},
        data={"model": "whisper-base", **more},
        timeout=LOADED_WITHIN,
    )


def once_ready(models: RunningModels, sound: bytes, **more: str) -> httpx.Response:
    """While the recogniser is fetched and loaded the answer says so."""

    def ready(answer: httpx.Response) -> bool:
        if answer.status_code != 503:
            return True
        assert answer.json()["error"]["code"] == "model_unreachable"
        return False

    return eventually(lambda: heard(models, sound, **more), ready, within=LOADED_WITHIN)


@pytest.mark.parametrize("language", SAID)
def test_speech_is_understood_and_its_language_recognised(models: RunningModels, language: str) -> None:
    voice, text, words = SAID[language]
    sound = say(text, models.base_url, voice=voice)
    given = once_ready(models, sound, language=language).raise_for_status().json()
    assert all(word in given["text"].lower() for word in words), given
    recognised = heard(models, sound, language="auto").raise_for_status().json()
    assert recognised["languages"] == [{"code": language}]
    assert recognised["text"] == given["text"]


def test_only_the_language_needs_another_recogniser(models: RunningModels) -> None:
    sound = say("The train leaves at eight.", models.base_url, voice="af_heart")
    english = heard(models, sound, language="en-GB", response_format="verbose_json").raise_for_status().json()
    assert english["language"] == "english"
    assert "train" in english["text"].lower()


def test_silence_is_not_a_word(models: RunningModels) -> None:
    sound = say("Hola.", models.base_url, voice="ef_dora")[:44] + bytes(96_000)
    assert once_ready(models, sound, language="es").raise_for_status().json()["text"] == ""


def test_health_tells_of_a_recogniser_once_it_was_asked_for(models: RunningModels) -> None:
    once_ready(models, say("Hola a todos.", models.base_url, voice="ef_dora"), language="es").raise_for_status()
    assert models.health().json()["roles"]["stt whisper-base"]["state"] == "ready"
