"""Agent configuration: a validated document that grows without a schema change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from voice_agent.contracts import (
    AS_INSTALLED,
    PERSONAL_LABELS,
    Audience,
    MemoryScope,
    ProviderChoices,
    ReplyPath,
    RoomPolicy,
)
from voice_agent.languages import mistaken_language, primary
from voice_agent.urls import HTTP, mistake

MAX_DEPTH: Final = 8
BlockLabel = Annotated[str, Field(min_length=1, max_length=100)]


class Tool(BaseModel):
    """Tool by name, with its options. A bare name in a list is a tool without options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.-]+$")


class AgentConfig(BaseModel):
    """Configuration of an agent. Absent: the default of the role or of the installation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    greeting: str | None = Field(default=None, max_length=2000)
    instructions: str | None = Field(default=None, max_length=20_000)
    memory_scope: MemoryScope | None = None
    reply_path: ReplyPath | None = None
    room_policy: RoomPolicy | None = None
    language: str | None = Field(default=None, max_length=20)
    """Spoken and understood: a code of `voice_agent/languages`, or `auto`. Default: VOICE_LANGUAGE."""
    providers: ProviderChoices | None = None
    tools: tuple[Tool, ...] | None = Field(default=None, max_length=64)
    audience: dict[BlockLabel, Audience] | None = Field(default=None, max_length=64)
    """Label of a memory block → audience; `files` stands for the files. Default: everyone for `persona` and `task`,
    the owner for all others."""
    extra: dict[str, Any] | None = None
    """Fields of other software: kept, merged, returned, never interpreted."""

    @field_validator("tools", mode="before")
    @classmethod
    def _bare_names(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        named = [{"name": tool} if isinstance(tool, str) else tool for tool in value]
        if not all(isinstance(tool, Mapping) for tool in named):
            return named  # the following validation refuses it
        # The last tool of a name wins: a caller that lists a tool again means to change its options.
        return list({str(tool.get("name")): tool for tool in named}.values())

    @field_validator("room_policy")
    @classmethod
    def _a_room_of_ours(cls, value: RoomPolicy | None) -> RoomPolicy | None:
        if value is RoomPolicy.ADOPTED:
            raise ValueError("adopted rooms are made by others")
        return value

    @field_validator("audience")
    @classmethod
    def _one_persons_own(cls, value: dict[str, Audience] | None) -> dict[str, Audience] | None:
        opened = [label for label, who in (value or {}).items() if label in PERSONAL_LABELS and who != Audience.OWNER]
        if opened:
            raise ValueError(f"{', '.join(opened)} is about one person and is heard by that person only")
        return value

    @field_validator("extra")
    @classmethod
    def _not_too_deep(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and depth(value) > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        return value

    def document(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)


def spoken_by(config: AgentConfig, installed: str) -> tuple[str, ProviderChoices]:
    """Language of an assistant, and its providers with that language where they have none of their own."""
    choices = config.providers or AS_INSTALLED
    if config.language is None:
        return installed, choices
    language = primary(config.language)
    spoken = {"language": language}
    return language, choices.model_copy(
        update={
            "stt": choices.stt if choices.stt.language else choices.stt.model_copy(update=spoken),
            "tts": choices.tts if choices.tts.language else choices.tts.model_copy(update=spoken),
        }
    )


def mistake_in(config: AgentConfig) -> tuple[str, str] | None:
    """What is wrong with the language or the first invalid URL, and its remedy. Not a rule of the model, so that a
    document saved by an earlier version can still be read and corrected."""
    if config.language is not None and (unknown := mistaken_language(config.language)):
        return unknown, "Choose one of them, or leave language out."
    choices = config.providers or ProviderChoices()
    for role, choice in (("stt", choices.stt), ("llm", choices.llm), ("tts", choices.tts)):
        if choice.base_url and (wrong := mistake(choice.base_url, HTTP)):
            return f"providers.{role}.base_url {wrong}.", "Write it like http://127.0.0.1:8000/v1."
    return None


def depth(value: Any) -> int:
    """Nesting depth, measured without recursion: the document comes from outside."""
    deepest, pending = 0, [(value, 1)]
    while pending:
        current, level = pending.pop()
        deepest = max(deepest, level)
        children = current.values() if isinstance(current, Mapping) else current if isinstance(current, list) else ()
        pending.extend((child, level + 1) for child in children)
    return deepest


def deep_merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Objects merge, lists and plain values replace, null removes (RFC 7386). Neither argument is changed."""
    merged = dict(base)
    for key, value in overrides.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = deep_merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged
