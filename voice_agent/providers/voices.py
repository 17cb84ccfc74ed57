"""Voices: those of the local TTS models and OpenAI's, and a sentence in which each is heard. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from voice_agent.languages import ENGLISH, primary


@dataclass(frozen=True, slots=True)
class Voice:
    id: str
    name: str
    """As shown."""
    language: str = ""
    """Language tag; empty: not known, or any language."""


@dataclass(frozen=True, slots=True)
class VoiceList:
    voices: tuple[Voice, ...]
    complete: bool
    """No other voice exists. False: the server does not tell, or tells only some."""
    aliases: frozenset[str] = frozenset()
    """Other names that mean one of them."""

    def knows(self, wanted: str) -> bool:
        return wanted in self.aliases or any(voice.id == wanted for voice in self.voices)


_KOKORO: Final[Mapping[str, str]] = {"a": "en-US", "b": "en-GB", "e": "es", "f": "fr", "i": "it", "p": "pt-BR"}
"""First letter of a voice → its language. The second is f for a female voice, m for a male one."""
_OPENAI: Final = "alloy ash ballad cedar coral echo fable marin nova onyx sage shimmer verse"
OPENAI_ALIASES: Final = frozenset("alloy ash ballad coral echo fable nova onyx sage shimmer verse".split())
"""OpenAI's names that the local TTS understands."""


def _kokoro(name: str) -> Voice:
    return Voice(name, name[3:].capitalize(), _KOKORO[name[0]])


LOCAL_VOICES: Final[Mapping[str, tuple[Voice, ...]]] = {
    "kokoro-82m": tuple(
        map(
            _kokoro,
            (
                "af_heart af_bella af_nicole af_sarah am_fenrir am_michael am_puck "
                "bf_emma bf_isabella bm_fable bm_george ef_dora ff_siwis if_sara pf_dora"
            ).split(),
        )
    ),
    "piper-joe-medium": (Voice("joe", "Joe", "en-US"),),
}
"""Local TTS model → its voices, the default first. The same as in `models/catalog.py` (a test compares the two)."""
OPENAI_VOICES: Final = tuple(Voice(name, name.capitalize()) for name in _OPENAI.split())


def told_by_server(answer: Any) -> tuple[Voice, ...]:
    """Voices in the answer of GET /audio/voices, which several OpenAI-style servers have: a list of names, or of
    objects with `id` or `name`, also below `voices` or `data`. Empty: it is something else."""
    found = answer
    if isinstance(answer, Mapping):
        found = answer.get("voices", answer.get("data"))
    if not isinstance(found, list):
        return ()
    voices = {voice.id: voice for one in found if (voice := _told(one)) is not None}
    return tuple(voices.values())


def _told(one: Any) -> Voice | None:
    if isinstance(one, str) and one:
        return Voice(one, one)
    if not isinstance(one, Mapping):
        return None
    id_, name, language = one.get("id") or one.get("voice_id") or one.get("name"), one.get("name"), one.get("language")
    if not isinstance(id_, str) or not id_:
        return None
    return Voice(id_, name if isinstance(name, str) and name else id_, language if isinstance(language, str) else "")


_SENTENCES: Final[Mapping[str, str]] = {
    "en": "Hello. This is how I sound when we talk.",
    "es": "Hola. Así sueno cuando hablamos.",
    "fr": "Bonjour. Voici comment je parle.",
    "it": "Ciao. Questa è la mia voce.",
    "pt": "Olá. Esta é a minha voz.",
}


def sentence(voice: Voice, installed: str) -> str:
    """What a preview of the voice says; `installed`: the language for a voice of any language."""
    language = primary(voice.language or installed)
    return _SENTENCES.get(language, _SENTENCES[ENGLISH.code])
