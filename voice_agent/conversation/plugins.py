"""Other livekit plugins, by name: made from what their constructors take, refused in words where that does not fit."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, Literal

from voice_agent.errors import Code, Permanent
from voice_agent.providers.endpoints import missing

Kind = Literal["STT", "LLM", "TTS", "VAD"]

_ALSO_CALLED: Final[Mapping[str, tuple[str, ...]]] = {
    "voice": ("voice_id", "voice_name", "reference_id", "speaker"),
    "speed": ("speaking_rate", "speech_rate"),
    "base_url": ("api_url", "api_base"),
    "model": ("model_id", "model_name"),
}
"""Plugins agree on what they do, not on what they call it."""
_SECRET_NAMES: Final = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_CREDENTIALS")
_SHORTEST_SECRET: Final = 6
"""Shorter ones are words of every message."""


def made(provider: str, kind: Kind, options: Mapping[str, Any]) -> Any:
    """`options` that are empty are left to the plugin."""
    maker = _maker(provider, kind)
    taken = inspect.signature(maker).parameters
    given: dict[str, Any] = {}
    for name, value in options.items():
        if not value:
            continue
        known = next((called for called in (name, *_ALSO_CALLED.get(name, ())) if called in taken), None)
        if known is None:
            takes = f"Leave it out. It takes: {', '.join(taken)}."
            raise _unavailable(f"{kind} of {provider} takes no {name}.", takes)
        given[known] = value
    try:
        return maker(**given)
    except Exception as error:  # noqa: BLE001  every plugin has its own way to say that its key is missing
        said = without_secrets(str(error), os.environ)
        raise _unavailable(f"{kind} of {provider} cannot be used: {said}", "Set what it asks for.") from None


def loaded_vad(provider: str) -> Any:
    return _maker(provider, "VAD").load()


def without_secrets(text: str, environment: Mapping[str, str]) -> str:
    """What a plugin says reaches the page and the log, and a plugin may repeat the key that it does not like."""
    for name, value in environment.items():
        if len(value) >= _SHORTEST_SECRET and name.endswith(_SECRET_NAMES):
            text = text.replace(value, f"({name})")
    return text


def _maker(provider: str, kind: Kind) -> Any:
    if unavailable := missing(provider):
        raise unavailable
    module = import_module(f"livekit.plugins.{provider}")
    if not hasattr(module, kind):
        raise _unavailable(f"The provider {provider} has no {kind}.", "Choose another one for this role.")
    return getattr(module, kind)


def _unavailable(message: str, remedy: str) -> Permanent:
    return Permanent(Code.PROVIDER_UNAVAILABLE, message, remedy)
