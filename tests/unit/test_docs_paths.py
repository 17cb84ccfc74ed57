"""Documents that lead through the code name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATH = re.compile(r"`(?:voice_agent/)?([a-z_]+(?:/[a-z_]+)*/[a-z_]+\.py)(?:::\w+)?`")
DOCUMENTS = ["docs/glossary.md", "docs/how-it-works.md", "docs/memory.md", "docs/security.md", "CONTRIBUTING.md"]


@pytest.mark.parametrize("document", [*DOCUMENTS, *(f"docs/adr/{path.name}" for path in (ROOT / "docs/adr").glob("*"))])
def test_each_file_that_is_named_exists(document: str) -> None:
    named = PATH.findall((ROOT / document).read_text(encoding="utf-8"))
    places = [ROOT / "voice_agent", ROOT / "voice_agent/memory", ROOT, ROOT / "tests"]
    assert [path for path in named if not any((place / path).is_file() for place in places)] == []
