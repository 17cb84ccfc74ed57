"""Tables of languages: the same sentences with the same places in each, a voice for each, and clear mistakes."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from voice_agent.contracts import ProviderChoices, SttChoice, TtsChoice
from voice_agent.languages import ENGLISH, LANGUAGES, find, mistaken_language
from voice_agent.models.catalog import find as find_model
from voice_agent.models.kokoro import LANGUAGES as PHONEMES
from voice_agent.providers import endpoints
from voice_agent.providers.local_server import local_model
from voice_agent.registry.config import AgentConfig, mistake_in, spoken_by
from voice_agent.settings import Settings


@pytest.mark.parametrize("code", LANGUAGES)
def test_each_language_says_everything_that_english_says_with_the_same_places(code: str) -> None:
    english, sentences = asdict(ENGLISH.sentences), asdict(LANGUAGES[code].sentences)
    for name, sentence in sentences.items():
        assert sentence.strip(), name
        assert sorted(re.findall(r"{\w+}", sentence)) == sorted(re.findall(r"{\w+}", english[name])), name


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != ENGLISH.code])
def test_each_other_language_has_sentences_and_an_instruction_of_its_own(code: str) -> None:
    language = LANGUAGES[code]
    english = asdict(ENGLISH.sentences)
    assert not [name for name, sentence in asdict(language.sentences).items() if sentence == english[name]]
    assert language.answer_in
    assert language.reminder


@pytest.mark.parametrize("code", LANGUAGES)
def test_each_language_has_a_voice_that_is_phonemised_in_it(code: str) -> None:
    voice = local_model("", "tts").voice_in(code)
    assert voice in find_model("kokoro-82m").voices
    assert PHONEMES[voice[0]].startswith(code)


@pytest.mark.parametrize(("tag", "code"), [("es-MX", "es"), ("ES", "es"), ("fr_CA", "fr"), ("auto", "en")])
def test_a_tag_is_found_by_its_language_and_english_is_the_rest(tag: str, code: str) -> None:
    assert find(tag).code == code


def test_an_unknown_language_is_refused_with_the_list() -> None:
    mistake = mistaken_language("klingon")
    assert mistake is not None
    assert all(language.english in mistake for language in LANGUAGES.values())
    assert mistaken_language("es-MX") is mistaken_language("auto") is None
    found = mistake_in(AgentConfig(language="klingon"))
    assert found is not None
    assert "es (Spanish)" in found[0]


def test_a_language_of_an_assistant_is_heard_and_spoken_unless_a_role_has_its_own() -> None:
    language, choices = spoken_by(AgentConfig(language="es-MX"), "en")
    assert (language, choices.stt.language, choices.tts.language) == ("es", "es", "es")
    own = ProviderChoices(stt=SttChoice(language="fr"), tts=TtsChoice(voice="am_puck"))
    language, choices = spoken_by(AgentConfig(language="es", providers=own), "en")
    assert (language, choices.stt.language, choices.tts.voice) == ("es", "fr", "am_puck")
    assert spoken_by(AgentConfig(), "fr") == ("fr", ProviderChoices())


def test_the_language_decides_the_local_recogniser_and_voice(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert endpoints.stt(settings).model == "moonshine-base"
    assert endpoints.tts(settings).voice == "af_heart"
    spanish = SttChoice(language="es"), TtsChoice(language="es")
    heard, spoken = endpoints.stt(settings, spanish[0]), endpoints.tts(settings, spanish[1])
    assert (heard.model, heard.language, spoken.voice) == ("whisper-base", "es", "ef_dora")
    assert endpoints.tts(settings, TtsChoice(language="es", voice="em_alex")).voice == "em_alex"
    assert endpoints.stt(settings, SttChoice(language="auto")).model == "whisper-base"


def test_the_installations_voice_speaks_only_the_installations_language(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, tts_voice="bm_george", language="en")
    assert endpoints.tts(settings).voice == "bm_george"
    assert endpoints.tts(settings, TtsChoice(language="en-GB")).voice == "bm_george"
    assert endpoints.tts(settings, TtsChoice(language="fr")).voice == "ff_siwis"


def test_a_remote_recogniser_keeps_its_model_and_gets_the_language(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, openai_api_key="k")
    heard = endpoints.stt(settings, SttChoice(language="es"))
    assert (heard.model, heard.language, heard.local) == (endpoints.OPENAI_STT, "es", False)
