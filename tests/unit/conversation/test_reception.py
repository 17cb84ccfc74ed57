from __future__ import annotations

import pytest

from voice_agent.contracts import AgentBinding, JobMetadata, Role
from voice_agent.conversation.reception import Dedication


@pytest.mark.parametrize(
    ("roles", "businesses", "served"),
    [
        (set(), set(), True),
        ({"customer"}, set(), True),
        ({"owner"}, set(), False),
        ({"customer"}, {"bakery"}, True),
        ({"customer"}, {"bank"}, False),
    ],
)
def test_a_dedicated_worker_takes_only_what_it_is_there_for(
    roles: set[str], businesses: set[str], served: bool
) -> None:
    agent = AgentBinding(agent_id="a", letta_agent_id="agent-1", name="Ada")
    job = JobMetadata(room_name="r", session_id="s", agent=agent, role=Role.CUSTOMER, business_id="bakery")
    assert Dedication(frozenset(roles), frozenset(businesses)).serves(job) is served
