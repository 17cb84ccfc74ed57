"""Links and paths lead somewhere, every document is listed, every picture is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
DOCUMENTS = [*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md"), *REPOSITORY.glob("examples/*.md")]
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|\b(?:src|srcset|href)=\"([^\"]+)\"")
PATH = re.compile(r"(?<![\w/])(?:voice_agent|tests|scripts|static|docs|examples|tools)/[\w./-]*[\w/]")
SHORT = re.compile(r"`([a-z_]+(?:/[a-z_]+)*/[a-z_]+\.py)(?:::\w+)?`")
ELSEWHERE = re.compile(r"[a-z]+:")


def links(text: str) -> Iterator[str]:
    for found in LINK.finditer(CODE.sub("", text)):
        target = found[1] or found[2]
        if not ELSEWHERE.match(target):
            yield target


def anchors(text: str) -> set[str]:
    """As hosts make them of headings; what stands in code marks counts, what is linked counts by its words."""
    headings = re.findall(
        r"^#+ +(.+?) *$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    words = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in words}


def broken(document: Path, text: str) -> list[str]:
    found = []
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            found.append(f"{document.relative_to(REPOSITORY)}: {link}")
    return found


def test_every_link_leads_somewhere() -> None:
    assert len(DOCUMENTS) > 20
    texts = {document: document.read_text(encoding="utf-8") for document in DOCUMENTS}
    assert sum(1 for text in texts.values() for _ in links(text)) > 60
    assert [link for document, text in texts.items() for link in broken(document, text)] == []


def test_one_that_does_not_is_found() -> None:
    here = DOCS / "web.md"
    text = '[a](gone.md) [b](web.md#secrets) [c](web.md#no-such) [d](../README.md) `[e](code.md)` <img src="no.png">'
    assert broken(here, text) == ["docs/web.md: gone.md", "docs/web.md: web.md#no-such", "docs/web.md: no.png"]


def paths(text: str) -> list[str]:
    return PATH.findall(text)


def test_every_path_that_is_named_exists() -> None:
    named = {path for document in DOCUMENTS for path in paths(document.read_text(encoding="utf-8"))}
    assert len(named) > 40
    assert [path for path in sorted(named) if not (REPOSITORY / path).exists()] == []


def files(text: str) -> list[str]:
    """Modules that are named without the folder of the package."""
    return SHORT.findall(text)


def test_every_module_that_is_named_for_short_exists() -> None:
    places = [REPOSITORY, *(REPOSITORY / place for place in ("voice_agent", "voice_agent/memory", "tests"))]
    named = {path for document in DOCUMENTS for path in files(document.read_text(encoding="utf-8"))}
    assert len(named) > 60
    assert [path for path in sorted(named) if not any((place / path).is_file() for place in places)] == []


def test_a_module_is_read_without_what_stands_in_it() -> None:
    assert files("`rooms/gone.py::Gone`, `memory/facts/decide.py`, turns.py") == [
        "rooms/gone.py",
        "memory/facts/decide.py",
    ]


def test_a_path_is_read_to_its_end() -> None:
    text = "`scripts/gone.sh unit`, tests/unit/ and (voice_agent/gone.py::x). build/docs/no"
    assert paths(text) == ["scripts/gone.sh", "tests/unit/", "voice_agent/gone.py"]


def test_every_document_is_in_the_list_of_documents() -> None:
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in links((DOCS / "README.md").read_text())}
    decisions = {(DOCS / "adr" / link).resolve() for link in links((DOCS / "adr" / "README.md").read_text())}
    missing = {path for path in DOCUMENTS if path.name != "README.md"} - listed - decisions
    assert {str(path.relative_to(REPOSITORY)) for path in missing} == set()


def test_every_picture_is_shown_in_a_document() -> None:
    shown = {
        (document.parent / link).resolve() for document in DOCUMENTS for link in links(document.read_text("utf-8"))
    }
    pictures = {path for path in DOCS.rglob("*") if path.suffix in {".png", ".jpg", ".svg", ".gif", ".webp"}}
    assert pictures
    assert {str(path.relative_to(REPOSITORY)) for path in pictures - shown} == set()
