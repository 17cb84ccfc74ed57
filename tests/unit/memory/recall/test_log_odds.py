from __future__ import annotations

from typing import Any

import pytest

from voice_agent.memory.recall.second_look import NoSecondLook, log_odds, messages


def answered(*likely: tuple[str, float]) -> Any:
    words = [{"token": token, "logprob": logprob} for token, logprob in likely]
    return {"choices": [{"logprobs": {"content": [{"top_logprobs": words}]}}]}


def test_the_odds_are_those_of_yes_against_no() -> None:
    assert log_odds(answered(("yes", -0.1), ("no", -3.1))) == pytest.approx(3.0, abs=0.01)
    assert log_odds(answered((" No", -0.1), ("no", -0.1), ("Yes", -0.1))) == pytest.approx(-0.69, abs=0.01)
    assert log_odds(answered(("perhaps", -0.1))) == 0.0


@pytest.mark.parametrize(
    "answer", [None, {}, {"choices": []}, {"choices": [{"logprobs": None}]}, {"choices": [{"message": {}}]}]
)
def test_an_answer_without_probabilities_says_nothing(answer: Any) -> None:
    assert log_odds(answer) is None


def test_what_is_asked_stands_last() -> None:
    asked = messages(["The user has a cat.", "The user's cat is old."], "How old is my cat?")
    assert asked[-1]["content"] == "Note: The user has a cat. The user's cat is old.\nQuestion: How old is my cat?"
    assert asked[:-1] == messages([], "")[:-1], "the beginning is the same each time"


async def test_without_a_model_nobody_says() -> None:
    assert await NoSecondLook().odds(["The user has a cat."], "Do I have a cat?") is None
