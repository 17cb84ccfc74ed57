"""Memory scope by person and room policy.

In earlier versions only an owner's words reached Letta, since all went to the assistant's own Letta agent. Now each
person has a home, so every person who can be recognised later is remembered.
"""

from __future__ import annotations

import pytest

from voice_agent.contracts import MemoryScope, RoomPolicy
from voice_agent.web.session_service import memory_scope_for

PERSONAL, READ_ONLY = MemoryScope.PERSONAL, MemoryScope.READ_ONLY


@pytest.mark.parametrize("configured", [None, PERSONAL])
@pytest.mark.parametrize(
    ("person", "kept"),
    [("user:b:u", PERSONAL), ("browser:x", PERSONAL), ("owner", PERSONAL), ("session:s", READ_ONLY)],
)
def test_everybody_is_remembered_who_can_be_met_again(
    configured: MemoryScope | None, person: str, kept: MemoryScope
) -> None:
    assert memory_scope_for(configured, RoomPolicy.SESSION, person) is kept


@pytest.mark.parametrize("policy", list(RoomPolicy))
@pytest.mark.parametrize("person", ["user:b:u", "browser:x", "owner", "session:s"])
def test_a_configuration_that_keeps_nothing_keeps_nothing_of_anybody(policy: RoomPolicy, person: str) -> None:
    assert memory_scope_for(READ_ONLY, policy, person) is READ_ONLY


def test_who_came_first_does_not_decide_for_the_others_of_a_room() -> None:
    assert memory_scope_for(None, RoomPolicy.SHARED, "session:s") is PERSONAL
