"""Accessibility check of a real page by axe-core."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from voice_agent.downloads import Artifact, Place, fetch

AXE = Artifact(
    name="axe-core 4.14.1",
    sha256="29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
    size=653_780,
    places=((Place("npm", "axe-core", "4.14.1", "package/axe.min.js"),),),
)
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page, cache: Path) -> list[str]:
    """One line per violated rule, with the elements that violate it."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(f"() => {{ {fetch(AXE, cache).read_text()} }}")
    found = page.evaluate("tags => axe.run(document, { runOnly: tags })", _TAGS)["violations"]
    return [f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}" for one in found]
