"""What an assistant of another language says, and how its answers are cut into clauses."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from voice_agent.contracts import AgentBinding
from voice_agent.conversation.first_clause import end_of_first_clause
from voice_agent.conversation.greeting import greeting_text
from voice_agent.conversation.provider_errors import provider_error_of
from voice_agent.errors import Code
from voice_agent.languages import ENGLISH, LANGUAGES
from voice_agent.memory.prompt import build_prompt, forgotten_text
from voice_agent.models.log_mel import BANDS, log_mel

SPANISH, FRENCH = LANGUAGES["es"], LANGUAGES["fr"]
ADA = AgentBinding(agent_id="a", letta_agent_id="a", name="Ada", language="es")


def test_the_greeting_is_in_the_language() -> None:
    said = {"returning": False, "enabled": True, "sentences": SPANISH.sentences}
    assert greeting_text(ADA, user_name="Robin", **said) == "Hola, Robin, soy Ada. ¿En qué puedo ayudarte?"  # type: ignore[arg-type]
    named = ADA.model_copy(update={"greeting": "Hola, {name}."})
    assert greeting_text(named, user_name="", **said) == "Hola, qué tal."  # type: ignore[arg-type]


def test_the_prompt_asks_for_the_language_and_english_asks_for_nothing() -> None:
    assert SPANISH.answer_in in build_prompt(ADA, None, language=SPANISH).text
    assert "Always answer in" not in build_prompt(ADA, None, language=ENGLISH).text


def test_the_answer_to_a_wish_begins_in_the_language() -> None:
    assert 'Begin with "Je l\'ai oublié".' in forgotten_text(1, 0, FRENCH.sentences)


@pytest.mark.parametrize(
    ("code", "text", "first"),
    [
        ("es", "Mañana voy a estar todo el día en la ciudad con mi hermana", "Mañana voy a estar todo el día"),
        ("es", "Claro que sí,", "Claro que sí,"),
        ("fr", "Je vous ai entendu parler hier soir avec votre sœur", "Je vous ai entendu parler hier soir"),
        ("en", "I was at the market in the morning", "I was at the market"),
    ],
)
def test_a_first_clause_ends_at_a_joint_of_its_language(code: str, text: str, first: str) -> None:
    end = end_of_first_clause(text, LANGUAGES[code])
    assert end is not None
    assert text[:end].strip() == first


def test_a_recogniser_that_is_being_fetched_is_no_failure() -> None:
    body = {
        "code": "model_unreachable",
        "message": "The local whisper-base model is not ready (fetching: 40 of 145 MB).",
    }
    event = SimpleNamespace(
        error=SimpleNamespace(type="stt_error", recoverable=False, error=SimpleNamespace(body=body))
    )
    error = provider_error_of(event)  # type: ignore[arg-type]
    assert error is not None
    assert error.code is Code.MODEL_UNREACHABLE
    assert "40 of 145 MB" in error.message
    assert error.apology(SPANISH.sentences) == SPANISH.sentences.recogniser_starts


def test_the_spectrogram_shows_a_tone_in_one_place_and_time_in_hundredths() -> None:
    seconds = np.arange(16_000, dtype=np.float32) / 16_000
    low, high = (log_mel(np.sin(2 * np.pi * hertz * seconds).astype(np.float32)) for hertz in (300.0, 3000.0))
    assert low.shape == high.shape == (BANDS, 100)
    loudest = [int(found.mean(axis=1).argmax()) for found in (low, high)]
    assert loudest[0] < 12 < 45 < loudest[1]
    assert low.max() - low.min() <= 2.0 + 1e-6, "eight powers of ten, in quarters"
