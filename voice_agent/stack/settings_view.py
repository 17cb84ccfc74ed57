"""Settings for users: values with their origins, and the reference documentation."""

from __future__ import annotations

import textwrap
from typing import Final

from voice_agent.settings import Loaded, Settings, names

MASK: Final = "********"
HEAD: Final = """# Settings

Generated from `voice_agent/settings.py` by `voice-agent settings --markdown`; a test fails when they differ.

A value is taken from the environment, else from `.env.local` in the current folder (`NAME=value` lines), else from
`VOICE_HOME/stack.env` (secrets that `voice-agent up` generated), else it is the default. `voice-agent settings` prints
every value with its origin. An unknown name that starts with `VOICE_` is an error.

| name | default | meaning |
|---|---|---|
"""
ENV_HEAD: Final = """# A template for .env.local, read in the current folder. Remove the # before what you change.
# Generated from voice_agent/settings.py by `voice-agent settings --env`; a test fails when they differ.
# docs/settings.md says which source wins. `voice-agent settings` shows what counts now.
"""
COMPUTED: Final = {
    "VOICE_HOME": "`/var/lib/voice-agent` for root, else `$XDG_STATE_HOME/voice-agent`",
    "VOICE_CACHE": "`$XDG_CACHE_HOME/voice-agent`",
}
"""Defaults that depend on the user."""


def rows(loaded: Loaded) -> list[dict[str, str]]:
    secret = Settings.secret_names()
    found = []
    for name, attribute in names().items():
        value = str(getattr(loaded.settings, attribute))
        shown = MASK if name in secret and value else value
        found.append({"name": name, "value": shown, "origin": loaded.origin[name]})
    return found


def markdown() -> str:
    secret = Settings.secret_names()
    lines = []
    for field in Settings.model_fields.values():
        name = str(field.alias)
        default = COMPUTED.get(name) or ("–" if field.default == "" else f"`{_as_text(field.default)}`")
        meaning = f"{field.description}{' Secret.' if name in secret else ''}"
        lines.append(f"| `{name}` | {default} | {meaning} |")
    return HEAD + "\n".join(lines) + "\n"


def env_file() -> str:
    """Every setting, commented out, with its default; secrets are empty."""
    secret = Settings.secret_names()
    lines = [ENV_HEAD]
    for field in Settings.model_fields.values():
        name = str(field.alias)
        default = "" if name in COMPUTED or name in secret else _as_text(field.default)
        where = f" Default: {COMPUTED[name].replace('`', '')}." if name in COMPUTED else ""
        meaning = f"{field.description}{' Secret.' if name in secret else ''}{where}"
        lines += [textwrap.fill(meaning, 118, initial_indent="# ", subsequent_indent="# "), f"#{name}={default}", ""]
    return "\n".join(lines)


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
