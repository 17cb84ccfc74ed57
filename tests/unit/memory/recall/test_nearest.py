"""How many facts are put in front of a question: those of the best turn, and of others up to a limit."""

from __future__ import annotations

from typing import Any, cast

import pytest

from voice_agent.memory.recall.recall import MOST, Recall


class Lists:
    """Each turn told so many facts."""

    def __init__(self, *counts: int) -> None:
        self.turns = {
            f"t{number}": [f"t{number}-{fact}" for fact in range(count)] for number, count in enumerate(counts)
        }

    def nearest_facts(self, turn: str, _vector: object) -> list[str]:
        return self.turns[turn]


@pytest.mark.parametrize(
    ("told", "shown"),
    [((1, 1, 1, 1), MOST), ((2, 2), MOST), ((4, 2, 4), 4), ((4,), 4)],
    ids=["one each", "two each", "a list and more", "a list"],
)
def test_a_list_stays_whole_and_nothing_is_added_to_it(told: tuple[int, ...], shown: int) -> None:
    lists = Lists(*told)
    recall = Recall.__new__(Recall)
    recall._told = cast(Any, lists)
    assert len(recall._nearest([*lists.turns], None)) == shown
