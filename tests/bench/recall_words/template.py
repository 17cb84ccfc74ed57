"""Templates for telling and asking for a fact, the kinds of facts, and the three pools of wording."""

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
    """Template: `{list}` is a value of that list, `{list~2}` another one, `{list:a}` one with its article."""

    kind: Kind
    attribute: str
    says: str
    asks: str
    answer: str
    """Groups separated by `&`, all required; alternatives in a group separated by `|`."""
    later: str = ""
    """For a correction: the correcting statement. `says` is the first statement."""
    wrong: str = ""
    """Alternatives, separated by `|`, that make an answer wrong."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Pool of wording for seeds of one parity only."""

    templates: tuple[Template, ...]
    untold: tuple[tuple[str, str], ...]
    """Attribute and question of facts that no template of this pool tells."""
    chatter: tuple[str, ...]
    fillers: tuple[str, ...]
    misheard: dict[str, str]
    ahead: tuple[str, ...]
    """Relative dates in the future; `{weekday}` is replaced by a weekday."""
    ago: tuple[str, ...]


def _read(name: str) -> Pool:
    table = tomllib.loads((Path(__file__).parent / name).read_text())
    templates = tuple(Template(**one | {"kind": Kind(one["kind"])}) for one in table.pop("templates"))
    untold = tuple((attribute, question) for attribute, question in table.pop("untold"))
    misheard = table.pop("misheard")
    return Pool(templates, untold, misheard=misheard, **{key: tuple(some) for key, some in table.items()})


ODD: Final = _read("first.toml")
"""May be read while the system is improved."""
HARDER: Final = _read("third.toml")
"""May be read, too: by another author, idiomatic, with more about relatives."""
EVEN: Final = _read("second.toml")
"""Held out: not read while the system is improved."""
