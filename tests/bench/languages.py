"""Spanish and French with the local models: `python -m tests.bench.languages --out DIR [heard spoken answered]`.

heard: words wrong on human clips, with the language given and recognised. spoken: the default voice of the language,
heard by its recogniser. answered: questions to the default language model, answered in the language of the assistant.
Writes languages.json and languages.png. All requests use HTTP, as in a conversation.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.clips_abroad import prompts
from tests.support.models import RunningModels, running_models
from tests.support.report import drawing, machine, publish, spread
from tests.support.speech import say
from voice_agent.contracts import AgentBinding
from voice_agent.languages import AUTO, LANGUAGES, Language
from voice_agent.memory.prompt import build_prompt
from voice_agent.providers.local_server import DEFAULTS, local_model

ABROAD: Final = ("es", "fr")
TIMEOUT: Final = 300
SPOKEN: Final = {
    "es": (
        "Hola, soy tu asistente. ¿En qué puedo ayudarte hoy?",
        "Mañana por la tarde va a llover en toda la costa del norte.",
        "Tu hermana llega el viernes con sus dos hijos y el perro.",
        "El tren sale a las ocho y cuarto desde la estación central.",
        "Necesitas tres huevos, doscientos gramos de harina y un poco de azúcar.",
        "Perdona, no te he entendido. ¿Puedes repetirlo, por favor?",
        "La reunión dura 45 minutos y empieza a las 9.",
        "Me alegra mucho que te haya gustado la película.",
        "Si quieres, podemos hablar de otra cosa.",
        "El restaurante abre a las seis y cierra los lunes.",
    ),
    "fr": (
        "Bonjour, je suis votre assistant. Comment puis-je vous aider ?",
        "Demain après-midi, il va pleuvoir sur toute la côte du nord.",
        "Votre sœur arrive vendredi avec ses deux enfants et le chien.",
        "Le train part à huit heures et quart de la gare centrale.",
        "Il vous faut trois œufs, deux cents grammes de farine et un peu de sucre.",
        "Pardon, je n'ai pas compris. Pouvez-vous répéter ?",
        "La réunion dure 45 minutes et commence à 9 heures.",
        "Je suis très content que le film vous ait plu.",
        "Si vous voulez, nous pouvons parler d'autre chose.",
        "Le restaurant ouvre à six heures et ferme le lundi.",
    ),
}
ASKED: Final = {
    "es": (
        "¿Qué tiempo suele hacer en Madrid en agosto?",
        "Cuéntame algo sobre los gatos.",
        "¿Cuál es la capital de Francia?",
        "Estoy un poco triste hoy.",
        "¿Qué puedo cocinar con arroz y tomates?",
        "¿Cómo te llamas?",
        "¿Cuántos días tiene una semana?",
        "Recomiéndame un libro para el verano.",
        "Mi perro se llama Rex y tiene tres años.",
        "Gracias por tu ayuda, hasta mañana.",
    ),
    "fr": (
        "Quel temps fait-il d'habitude à Paris en août ?",
        "Racontez-moi quelque chose sur les chats.",
        "Quelle est la capitale de l'Espagne ?",
        "Je suis un peu triste aujourd'hui.",
        "Que puis-je cuisiner avec du riz et des tomates ?",
        "Comment vous appelez-vous ?",
        "Combien de jours y a-t-il dans une semaine ?",
        "Recommandez-moi un livre pour l'été.",
        "Mon chien s'appelle Rex et il a trois ans.",
        "Merci pour votre aide, à demain.",
    ),
}
TELLING: Final = {
    "en": "the and is are of to you your in it that for with have can be what how i my",
    "es": "el la los las de que y en un una es son por para con tu te puedes como me se no hola",
    "fr": "le la les des de que et en un une est sont pour avec votre vous pouvez je ce il ne pas du au",
}
"""Frequent words, by which the language of an answer is told."""


def hear(models: RunningModels, sound: bytes, language: str) -> tuple[str, str, float]:
    """The text, the language that was recognised, and seconds."""
    started = time.monotonic()
    answer = httpx.post(
        f"{models.base_url}/audio/transcriptions",
        files={"file": ("clip.wav", sound)},
        data={"model": "whisper-base", "language": language},
        timeout=TIMEOUT,
    ).raise_for_status()
    heard = answer.json()
    return heard["text"], heard["languages"][0]["code"], time.monotonic() - started


def plain(text: str) -> list[str]:
    """Words without accents: the transcripts of the clips lack many of them."""
    letters = unicodedata.normalize("NFD", text.lower().replace("œ", "oe"))
    return re.findall(r"\w+", "".join(one for one in letters if not unicodedata.combining(one)))


def wrong_words(said: str, heard: str) -> int:
    reference, found = plain(said), plain(heard)
    row = list(range(len(found) + 1))
    for i, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, word in enumerate(found, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (wanted != word))
    return row[-1]


def compared(models: RunningModels, language: str, said: list[tuple[str, bytes, float]], given: str) -> dict[str, Any]:
    wrong = count = recognised = 0
    times: list[float] = []
    texts = []
    for text, sound, _ in said:
        heard, code, seconds = hear(models, sound, given)
        wrong, count = wrong + wrong_words(text, heard), count + len(plain(text))
        recognised += code == language
        times.append(seconds)
        texts.append({"said": text, "heard": heard})
    length = sum(seconds for _, _, seconds in said)
    return {
        "wer": round(wrong / count, 4),
        "words": count,
        "language_recognised": f"{recognised} of {len(said)}",
        "seconds": spread(times),
        "real_time_factor": round(sum(times) / length, 3),
        "clips": texts,
    }


def heard_humans(models: RunningModels, clips: int) -> dict[str, Any]:
    result = {}
    for language in ABROAD:
        said = [(clip.said, clip.sound, len(clip.sound) / 32_000) for clip in prompts(language, clips)]
        hear(models, said[0][1], language)  # loads the model
        result[language] = {"given": compared(models, language, said, language)}
        print(
            language, {k: v for k, v in result[language]["given"].items() if k != "clips"}, file=sys.stderr, flush=True
        )
        result[language][AUTO] = compared(models, language, said, AUTO)
    return result


def spoken_back(models: RunningModels) -> dict[str, Any]:
    result = {}
    for language in ABROAD:
        voice = local_model("", "tts").voice_in(language)
        sounds = [say(text, models.base_url, voice=voice, rate=24_000, after=0.5) for text in SPOKEN[language]]
        said = [(text, sound, len(sound) / 48_000) for text, sound in zip(SPOKEN[language], sounds, strict=True)]
        result[language] = {"voice": voice} | compared(models, language, said, language)
    return result


def language_of(text: str) -> str:
    words = re.findall(r"\w+", text.lower())
    return max(TELLING, key=lambda language: sum(word in TELLING[language].split() for word in words))


def answered(models: RunningModels, languages: list[str]) -> dict[str, Any]:
    agent = AgentBinding(agent_id="a", letta_agent_id="a", name="Nova")
    result: dict[str, Any] = {}
    for code in languages:
        language = LANGUAGES[code]
        for way in ("instruction and reminder", "instruction", "none"):
            texts = [
                {"asked": question, "answer": ask(models, agent, language, way, question)} for question in ASKED[code]
            ]
            right = sum(language_of(one["answer"]) == code for one in texts)
            print(f"{code}, {way}: {right} of {len(texts)}", file=sys.stderr, flush=True)
            result.setdefault(code, {})[way] = {"in_its_language": f"{right} of {len(texts)}", "texts": texts}
    return result


def ask(models: RunningModels, agent: AgentBinding, language: Language, way: str, question: str) -> str:
    spoken = LANGUAGES["en"] if way == "none" else language
    messages = [{"role": "system", "content": build_prompt(agent, None, language=spoken).text}]
    if way == "instruction and reminder":
        messages.append({"role": "system", "content": language.reminder})
    messages.append({"role": "user", "content": question})
    body = {"model": DEFAULTS["llm"].name, "messages": messages, "max_tokens": 60, "temperature": 0}
    answer = httpx.post(f"{models.base_url}/chat/completions", json=body, timeout=TIMEOUT).raise_for_status()
    return str(answer.json()["choices"][0]["message"]["content"])


def plot(result: Any, path: Path) -> None:
    rows = {
        f"{language} {what}": part["wer"]
        for what, of in (("human clips", "heard"), ("own voice", "spoken"))
        for language, found in result.get(of, {}).items()
        for part in [found.get("given", found)]
    }
    with drawing(path, 7, 0.6 * len(rows) + 1.5) as axes:
        axes.barh(list(rows), [100 * rate for rate in rows.values()])
        axes.set_xlabel("words wrong, %")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("parts", nargs="*", default=["heard", "spoken", "answered"])
    asked.add_argument("--out", type=Path, default=Path("build/bench"))
    asked.add_argument("--answers", nargs="*", choices=ABROAD, default=list(ABROAD), help="languages of the questions")
    asked.add_argument("--clips", type=int, default=40)
    wanted = asked.parse_args()
    result: dict[str, Any] = {"machine": machine()}
    with running_models(wanted.out / "languages-home", {"VOICE_MODELS_THREADS": "2", "VOICE_LANGUAGE": "es"}) as models:
        if "heard" in wanted.parts:
            result["heard"] = heard_humans(models, wanted.clips)
        if "spoken" in wanted.parts:
            result["spoken"] = spoken_back(models)
        if "answered" in wanted.parts:
            result["answered"] = answered(models, wanted.answers)
    publish(wanted.out, "languages", result, plot)


if __name__ == "__main__":
    main()
