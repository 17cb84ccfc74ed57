"""LiveKit plugins by name: made with the options that their constructors take, refused with a message otherwise."""

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
"""Other names of the same option: plugins differ in them."""
_SECRET_NAMES: Final = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_CREDENTIALS")
_SHORTEST_SECRET: Final = 6
"""Characters. Shorter values occur in ordinary messages."""


def made(provider: str, kind: Kind, options: Mapping[str, Any]) -> Any:
    """Empty `options` are left to the plugin."""
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
    except Exception as error:  # noqa: BLE001  every plugin reports a missing key in its own way
        said = without_secrets(str(error), os.environ)
        raise _unavailable(f"{kind} of {provider} cannot be used: {said}", "Set what it asks for.") from None


def loaded_vad(provider: str) -> Any:
    return _maker(provider, "VAD").load()


def without_secrets(text: str, environment: Mapping[str, str]) -> str:
    """A plugin's message reaches the page and the log, and may repeat the key that the plugin rejects."""
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
