"""Provider errors in a turn, as text to say and to show; notices about memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from livekit.agents import ErrorEvent

from voice_agent.contracts import Notice
from voice_agent.errors import Code, VoiceAgentError
from voice_agent.languages import Sentences


@dataclass(frozen=True, slots=True)
class ProviderError:
    code: Code
    message: str
    remedy: str
    apology: Callable[[Sentences], str]
    """Spoken; empty where TTS is what failed."""

    def notice(self, episode: int) -> Notice:
        return Notice(level="error", code=self.code, message=self.message, remedy=self.remedy, episode=episode)


_PROVIDER_ERRORS: Final = {
    "llm_error": ProviderError(
        Code.LLM_FAILED,
        "The language model did not answer.",
        "Say it again in a moment; 'voice-agent doctor' shows whether the model can be reached.",
        lambda said: said.no_answer,
    ),
    "stt_error": ProviderError(
        Code.STT_FAILED,
        "What was said could not be recognised.",
        "Say it again, or type it; 'voice-agent doctor' shows whether speech recognition can be reached.",
        lambda said: said.not_heard,
    ),
    "tts_error": ProviderError(
        Code.TTS_FAILED,
        "The answer could not be spoken.",
        "It is shown as text; 'voice-agent doctor' shows whether the voice can be reached.",
        lambda _: "",
    ),
}


def provider_error_of(event: ErrorEvent) -> ProviderError | None:
    """None while the provider still retries."""
    if getattr(event.error, "recoverable", False):
        return None
    if (starting := _starting_recogniser(event)) is not None:
        return starting
    return _PROVIDER_ERRORS.get(getattr(event.error, "type", ""))


def _starting_recogniser(event: ErrorEvent) -> ProviderError | None:
    """The local recogniser of a language is fetched and loaded when it is first needed: that is no failure."""
    body = getattr(getattr(event.error, "error", None), "body", None)
    if getattr(event.error, "type", "") != "stt_error" or not isinstance(body, Mapping):
        return None
    if body.get("code") != Code.MODEL_UNREACHABLE:
        return None
    return ProviderError(
        Code.MODEL_UNREACHABLE,
        f"Speech recognition is not ready yet. {body.get('message', '')}".strip(),
        "The first start of a language takes a minute or two: its model is fetched. Say it again then, or type it.",
        lambda said: said.recogniser_starts,
    )


def truncated_block(label: str, episode: int) -> Notice:
    return Notice(
        level="warning",
        code=Code.MEMORY_TRUNCATED,
        message=f"The memory block '{label}' is too long for the prompt; its end was cut.",
        remedy="Shorten the block in Letta.",
        episode=episode,
    )


def notice_of(error: VoiceAgentError, episode: int) -> Notice:
    return Notice(level="error", code=error.code, message=error.message, remedy=error.remedy, episode=episode)


def forgotten_notice(count: int, episode: int, written: int = 0) -> Notice:
    """Does not say what was forgotten."""
    things = "1 fact was" if count == 1 else f"{count} facts were"
    message = f"{things} forgotten." if count else "Nothing of that kind was known."
    if not written:
        return Notice(level="info", code="forgotten", message=message, episode=episode)
    return Notice(
        level="warning",
        code="still_written",
        message=f"{message if count else ''} It stands in a memory block of the assistant.".strip(),
        remedy="Whoever may edit the assistant in Letta can remove it there.",
        episode=episode,
    )


def not_forgotten_notice(error: BaseException, episode: int) -> Notice:
    if isinstance(error, VoiceAgentError):
        return notice_of(error, episode)
    return Notice(
        level="error",
        code=Code.AGENT_FAILS,
        message="What was to be forgotten is not forgotten yet.",
        remedy="Say it again, or use 'voice-agent memory forget'.",
        episode=episode,
    )


def slow_answer(episode: int) -> Notice:
    return Notice(
        level="info",
        code=Code.MODEL_BUSY,
        message="The answer takes longer than usual.",
        remedy="It is still being worked on; a small machine needs time.",
        episode=episode,
    )
