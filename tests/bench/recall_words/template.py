"""One way to tell a fact and to ask for it, the kinds of facts there are, and the two pools of wording."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final


class Kind(StrEnum):
    NAME = "name"
    NUMBER = "number"
    DATE = "date"
    PREFERENCE = "preference"
    RELATION = "relation"
    CORRECTION = "correction"
    LIST = "list"
    NEGATION = "negation"
    IN_PASSING = "in_passing"
    BY_VOICE = "by_voice"


@dataclass(frozen=True, slots=True)
class Template:
    """`{list}` is a value of that list, `{list~2}` another one, `{list:a}` one with its article."""

    kind: Kind
    attribute: str
    says: str
    asks: str
    answer: str
    """Groups that must all be there, by `&`; in a group one of several, by `|`."""
    later: str = ""
    """Of a correction: how it is corrected. `says` is what was told first."""
    wrong: str = ""
    """Alternatives, by `|`, that make an answer wrong."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Wording that one parity of seeds uses, and the other never."""

    templates: tuple[Template, ...]
    untold: tuple[tuple[str, str], ...]
    """Attribute and question: no template of this pool tells it."""
    chatter: tuple[str, ...]
    fillers: tuple[str, ...]
    misheard: dict[str, str]
    ahead: tuple[str, ...]
    """Relative dates to come; a weekday stands as `{weekday}`."""
    ago: tuple[str, ...]


def _read(name: str) -> Pool:
    table = tomllib.loads((Path(__file__).parent / name).read_text())
    templates = tuple(Template(**one | {"kind": Kind(one["kind"])}) for one in table.pop("templates"))
    untold = tuple((attribute, question) for attribute, question in table.pop("untold"))
    misheard = table.pop("misheard")
    return Pool(templates, untold, misheard=misheard, **{key: tuple(some) for key, some in table.items()})


ODD: Final = _read("first.toml")
"""May be looked at while the system is made better."""
HARDER: Final = _read("third.toml")
"""May be, too: by another author, idiomatic, with more about relatives."""
EVEN: Final = _read("second.toml")
"""Held out."""
