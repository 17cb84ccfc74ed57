"""Local model server, as its clients know it: names of its models, priorities of requests, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from voice_agent.errors import Code, Permanent
from voice_agent.languages import ENGLISH, primary

ModelRole = Literal["stt", "tts", "llm", "embedding", "turn"]

TURN_END: Final = "/audio/turn-end"
"""Path below the base URL: PCM in, the probability that a turn is over out."""
PCM: Final = "application/octet-stream"

RECORDER: Final = "recorder"
"""A chat model with an empty answer: lets a memory server store a turn that was answered elsewhere."""

BACKGROUND: Final = "background"
BACKGROUND_SUFFIX: Final = f"-{BACKGROUND}"
"""`<chat model>-background` is the same model for work that no user waits for: it yields to conversations."""
AHEAD: Final = "ahead"
"""Prewarms a conversation's prompt before its next question: yields to answers; background work yields to it."""
SHARED_PROMPT: Final = "shared-prompt"
"""Prewarms, as background work, a prompt prefix of many conversations and saves it by its `prompt_cache_key`."""
FACTS: Final = "facts"
"""Background work that repeats one long instruction: it has a separate slot."""
CHECK: Final = "check"
"""A one-word question after one long instruction, while an answer waits for it: it has a separate slot."""
CHECK_AHEAD: Final = "check-ahead"
"""Prewarms that instruction as background work."""
CAPTION: Final = "caption"
"""Recognises for a caption what is still being said: yields to answers; background work yields to it."""
PREVIEW: Final = "preview"
"""Synthesizes for a person who chooses a voice: yields to conversations; background work yields to it."""
PRIORITY_HEADER: Final = "x-voice-agent-priority"
"""The priority of one request, for callers that can set headers."""
FACTS_HEADERS: Final = {PRIORITY_HEADER: FACTS}
CHECK_HEADERS: Final = {PRIORITY_HEADER: CHECK}
SAVED_PROMPTS: Final = 8
"""Most shared prompts that are kept."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    name: str
    role: ModelRole
    default: bool = False
    voice: str = ""
    """Of a TTS model: its default voice."""
    other_voices: Mapping[str, str] = field(default_factory=dict)
    """Of a TTS model: language → its default voice."""
    version: str = ""
    """Of an embedding model: vectors of another version are not comparable."""

    def voice_in(self, language: str) -> str:
        return self.other_voices.get(language, self.voice)


LOCAL_MODELS: Final[Mapping[str, LocalModel]] = {
    model.name: model
    for model in (
        LocalModel("moonshine-base", "stt", default=True),
        LocalModel("whisper-base", "stt"),
        LocalModel(
            "kokoro-82m", "tts", default=True, voice="af_heart", other_voices={"es": "ef_dora", "fr": "ff_siwis"}
        ),
        LocalModel("piper-joe-medium", "tts", voice="joe"),
        LocalModel("qwen2.5-coder-1.5b-instruct", "llm", default=True),
        LocalModel("qwen2.5-1.5b-instruct", "llm"),
        LocalModel("lfm2.5-1.2b-instruct", "llm"),
        LocalModel("qwen3.5-2b", "llm"),
        LocalModel("smollm2-135m-instruct", "llm"),
        LocalModel("all-mpnet-base-v2", "embedding", default=True, version="5d43a33562f2"),
        LocalModel("smart-turn-v3.2", "turn", default=True),
    )
}
"""The models of `models/catalog.py` (a test compares the two)."""
DEFAULTS: Final[Mapping[ModelRole, LocalModel]] = {
    model.role: model for model in LOCAL_MODELS.values() if model.default
}


_OTHER_LANGUAGES: Final = "whisper-base"


def local_recogniser(language: str) -> str:
    """The default model for a language; `auto`: it is to be recognised; empty: English."""
    return DEFAULTS["stt"].name if primary(language) in ("", ENGLISH.code) else _OTHER_LANGUAGES


def local_model(name: str, role: ModelRole) -> LocalModel:
    """The model that a setting names for a role; the default for an empty name."""
    default = DEFAULTS[role]
    if not name:
        return default
    if name not in LOCAL_MODELS:
        raise Permanent(
            Code.MODEL_UNKNOWN, f"There is no local model named {name!r}.", f"Known: {', '.join(sorted(LOCAL_MODELS))}."
        )
    if (model := LOCAL_MODELS[name]).role != role:
        raise Permanent(Code.MODEL_UNKNOWN, f"{name} is no model for {role}.", f"Use {default.name}.")
    return model
