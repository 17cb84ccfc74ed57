"""Spanish."""

from __future__ import annotations

from typing import Final

from voice_agent.languages.model import Language, Sentences

SPANISH: Final = Language(
    code="es",
    english="Spanish",
    own="Español",
    joints="y pero o porque que cuando donde mientras si en con para por desde hasta sobre sin como entre tras aunque",
    answer_in="Always answer in Spanish, also if something above is in English. Responde siempre en español.",
    reminder="Responde en español.",
    sentences=Sentences(
        hello="Hola, soy {agent}. ¿En qué puedo ayudarte?",
        hello_named="Hola, {name}, soy {agent}. ¿En qué puedo ayudarte?",
        welcome_back="Hola otra vez. ¿De qué te gustaría hablar?",
        welcome_back_named="Hola otra vez, {name}. ¿De qué te gustaría hablar?",
        we_were_at="Estábamos en: «{words}».",
        go_on="Aquí seguimos. Continúa, por favor.",
        there="qué tal",
        no_answer="Perdona, ahora mismo no se me ocurre una respuesta. ¿Puedes repetirlo, por favor?",
        not_heard="Perdona, no te he entendido. ¿Puedes repetirlo, por favor?",
        recogniser_starts="Un momento, todavía me estoy preparando para escucharte. Repítelo en un momento, por favor.",
        cannot_take_note="Perdona, ahora mismo no puedo apuntar lo que dices. Inténtalo de nuevo en un momento.",
        lost="Perdona, he perdido lo que acabas de decir. ¿Puedes repetirlo, por favor?",
        not_told="No me has contado",
        not_told_that="No me lo has contado.",
        forgetting="Lo estoy olvidando ahora",
        forgetting_failed="Ahora mismo no he podido olvidarlo",
        forgotten="Ya lo he olvidado",
        nothing_to_forget="No sé nada de eso",
        forgotten_but_written="He olvidado lo que me contaste, pero sigue escrito en mis notas",
        only_written="Eso no lo puedo olvidar yo: está escrito en mis notas",
    ),
)
