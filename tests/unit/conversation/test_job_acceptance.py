from __future__ import annotations

import pytest

from voice_agent.contracts import AgentBinding, JobMetadata, Role
from voice_agent.conversation.job_acceptance import Seats
from voice_agent.rooms.workers import WorkerRow, WorkerScope


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
    assert WorkerScope(frozenset(roles), frozenset(businesses)).serves(job) is served


@pytest.mark.parametrize(
    ("registered", "takes"),
    [("voice-agent", True), ("another", False), ("", True)],
    ids=["same", "other", "of a version that did not say it"],
)
def test_livekit_offers_a_worker_only_jobs_of_the_name_it_registered(registered: str, takes: bool) -> None:
    agent = AgentBinding(agent_id="a", letta_agent_id="agent-1", name="Ada")
    job = JobMetadata(room_name="r", session_id="s", agent=agent)
    worker = WorkerRow("w", 1, 0, 0, WorkerScope(agent_name=registered))
    assert worker.takes(job, "voice-agent") is takes


def test_a_worker_takes_as_many_as_it_has_seats_for() -> None:
    running = 6
    seats = Seats(8, lambda: running)
    assert seats.free == 2
    with seats.kept(), seats.kept():
        assert seats.free == 0, "accepted counts before it runs"
    assert seats.free == 2


@pytest.mark.parametrize("capacity", [1, 3, 8, 50])
def test_livekit_is_told_full_only_by_a_full_worker(capacity: int) -> None:
    target = 0.7  # livekit-server's default `agents.target_load`: below it a worker is given jobs
    assert Seats(capacity, lambda: capacity - 1).load < target
    assert Seats(capacity, lambda: capacity).load >= target
