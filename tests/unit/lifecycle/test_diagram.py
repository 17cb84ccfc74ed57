"""Page about the lifecycle: it says what the table says."""

from __future__ import annotations

from pathlib import Path

from voice_agent.lifecycle.diagram import document
from voice_agent.lifecycle.states import State

PAGE = Path(__file__).parents[3] / "docs" / "lifecycle.md"


def test_the_page_has_not_drifted_from_the_table() -> None:
    assert PAGE.read_text() == document(), "run: python -m voice_agent.lifecycle.diagram > docs/lifecycle.md"


def test_every_state_is_drawn() -> None:
    drawing = document().split("```mermaid")[1].split("```")[0]
    assert all(state.name in drawing for state in State)
