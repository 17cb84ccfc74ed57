"""Languages of assistants: one table for each, apart from code. Another language is another module here, a voice in
`providers/local_server.py`, and texts of the page in `static/texts/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from voice_agent.languages.en import ENGLISH
from voice_agent.languages.es import SPANISH
from voice_agent.languages.fr import FRENCH
from voice_agent.languages.model import Language, Sentences

__all__ = ["AUTO", "ENGLISH", "LANGUAGES", "Language", "Sentences", "find", "mistaken_language", "primary"]

AUTO: Final = "auto"
"""In place of a code: the language of what the person says first."""
LANGUAGES: Final[Mapping[str, Language]] = {one.code: one for one in (ENGLISH, SPANISH, FRENCH)}


def primary(tag: str) -> str:
    """The language of a tag such as `es-MX`."""
    return re.split("[-_]", tag.strip().lower(), maxsplit=1)[0]


def find(tag: str) -> Language:
    """The language of a tag; English, the prompt's own, for every other one and for `auto`."""
    return LANGUAGES.get(primary(tag), ENGLISH)


def mistaken_language(tag: str) -> str | None:
    """What is wrong with a configured language."""
    if primary(tag) in (AUTO, *LANGUAGES):
        return None
    known = ", ".join(f"{code} ({one.english})" for code, one in LANGUAGES.items())
    return f"The language {tag!r} is not known. Known: {known}, {AUTO} (the language of what is said first)."
