from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.conversation.people import KNOWS_THE_BOAT
from tests.support.stack import Stack


@pytest.fixture(autouse=True)
def somebody_who_can_read(stack: Stack, media_engine: object) -> Iterator[None]:
    stack.llm.script(KNOWS_THE_BOAT)
    yield
    stack.llm.script()
