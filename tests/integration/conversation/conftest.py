from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.scripted_llm import Rule
from tests.support.stack import Stack

KNOWS_THE_BOAT = Rule(user="boat", system=r"boat is called (\w+)", reply=r"It is called \1.")
"""The name comes from the prompt that the assistant sent, not from the rule."""


@pytest.fixture(autouse=True)
def somebody_who_can_read(stack: Stack, media_engine: object) -> Iterator[None]:
    stack.llm.script(KNOWS_THE_BOAT)
    yield
    stack.llm.script()
