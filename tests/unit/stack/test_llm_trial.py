"""Figures of a trial, and what they decide."""

from __future__ import annotations

import pytest

from voice_agent.stack.llm_trial import Figures, shortfall

DEFAULT = Figures(recall=6, facts=4, tools=5, words_per_second=12.0)


def figures(right: int, words: float = 12.0) -> Figures:
    return Figures(right, 0, 0, words)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (figures(15), ""),
        (figures(14), ""),
        (figures(13), "it got 13 of 20 tasks right, the default 15"),
        (figures(20, 8.0), ""),
        (figures(20, 7.0), "it says 7 words a second, the default 12"),
        (figures(20, 0.0), "it says 0 words a second, the default 12"),
    ],
)
def test_a_model_that_serves_worse_than_the_default_is_not_used(found: Figures, why: str) -> None:
    assert shortfall(found, DEFAULT) == why


def test_figures_are_kept() -> None:
    assert Figures.from_json(DEFAULT.as_json()) == DEFAULT
    assert str(DEFAULT) == "recall 6 of 8, facts 4 of 6, tools 5 of 6, 12 words a second"


@pytest.mark.parametrize("kept", ["", "no", "[]", '{"edition": 0, "recall": 1}', '{"edition": 1, "other": 1}'])
def test_figures_of_another_edition_do_not_count(kept: str) -> None:
    assert Figures.from_json(kept) is None
