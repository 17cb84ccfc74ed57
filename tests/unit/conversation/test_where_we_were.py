from __future__ import annotations

import pytest

from voice_agent.conversation.where_we_were import where_we_were
from voice_agent.languages import LANGUAGES
from voice_agent.memory.model import Turn

ENGLISH = LANGUAGES["en"].sentences
GO_ON = "Here we are again. Please go on."


def said(*texts: str) -> list[Turn]:
    return [Turn(f"t{number}", "thread", "s", "agent-1", 1, text) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Which trails near Bern are short?"], "We were at: “Which trails near Bern are short”."),
        (["Which trails are short?", "Thank you, goodbye."], "We were at: “Which trails are short”."),
        (["It rains. Which trails near Bern are short?"], "We were at: “Which trails near Bern are short”."),
        (["Which trails near Bern are short? Wait a moment."], "We were at: “Which trails near Bern are short”."),
        (
            ["Can you tell me which hiking trails near Bern are short and have a view of the lake?"],
            "We were at: “Can you tell me which hiking trails near Bern …”.",
        ),
        (["Say {words} to {name} twice."], "We were at: “Say {words} to {name} twice”."),
        (["Hello there.", "Good morning!"], GO_ON),
        ([""], GO_ON),
        ([], GO_ON),
    ],
)
def test_the_newest_words_about_something_are_quoted_in_short(texts: list[str], expected: str) -> None:
    assert where_we_were(said(*texts), ENGLISH) == expected


@pytest.mark.parametrize(
    "secret",
    [
        "My password is correct horse battery.",
        "The alarm code of my house is 4711.",
        "I told you four two seven one is mine.",
        "Write to anna@example.org about the party.",
        "My mother died on Sunday evening.",
        "My doctor prescribed antibiotics yesterday.",
        "Forget that my dog is called Biscuit.",
        "Mi contraseña del banco es tornado azul.",
        "Mi médico me recetó unas pastillas.",
        "Mon mot de passe est tornade bleue.",
        "Mon médecin dit que je suis enceinte.",
        "A long story with nothing in it but that my password is correct horse. Which trails near Bern are short?",
    ],
)
def test_nothing_private_is_repeated(secret: str) -> None:
    assert where_we_were(said(secret), ENGLISH) == GO_ON
    assert where_we_were(said("Which trails near Bern are short?", secret), ENGLISH) == (
        "We were at: “Which trails near Bern are short”."
    )


def test_it_is_said_in_the_language_of_the_assistant() -> None:
    turns = said("¿Qué senderos cerca de Berna son cortos?")
    assert where_we_were(turns, LANGUAGES["es"].sentences) == "Estábamos en: «¿Qué senderos cerca de Berna son cortos»."
    assert where_we_were([], LANGUAGES["fr"].sentences) == "Nous revoilà. Continuez, je vous écoute."
