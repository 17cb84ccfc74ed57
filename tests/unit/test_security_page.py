"""References of docs/security.md: every test that it names as a proof exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "security.md"
NAMED = re.compile(r"`((?:unit|contract|integration|acceptance|nightly)/[\w/]+\.py)?(?:::(\w+)(?:\[[^`\]]*\])?)?`")
"""A file of a tier, a test of it, or a test of the file that was named before it in the same line."""


def named(page: str) -> Iterator[tuple[str, str]]:
    """File and test; an empty test: the whole file."""
    for line in page.splitlines():
        file = ""
        for found in NAMED.finditer(line):
            file = found[1] or file
            if found[1] or found[2]:
                yield file, found[2] or ""


def missing(page: str) -> list[str]:
    return [f"{file}::{test}" for file, test in named(page) if not (TESTS / file).is_file() or not _has(file, test)]


def _has(file: str, test: str) -> bool:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return not test or test in functions


def test_every_test_that_the_page_names_exists() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(list(named(page))) > 50, "the page names its tests in another way"
    assert missing(page) == []


def test_one_that_does_not_is_found() -> None:
    here = "unit/test_security_page.py"
    line = f"| `{here}::test_one_that_does_not_is_found[a b]`, `::test_another`, `unit/test_gone.py` and `{here}` |"
    assert missing(line) == [f"{here}::test_another", "unit/test_gone.py::"]
