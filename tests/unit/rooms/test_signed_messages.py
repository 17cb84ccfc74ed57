from __future__ import annotations

import pytest

from voice_agent.contracts import AgentBinding, ControlMessage
from voice_agent.rooms.signed_messages import sign, verify

ORDER = ControlMessage(act="switch_agent", agent=AgentBinding(agent_id="a", letta_agent_id="agent-1", name="Ada"))


def test_a_sealed_order_arrives_whole() -> None:
    assert verify(sign(ORDER, "room", "secret"), "room", "secret") == ORDER


@pytest.mark.parametrize(
    "forged",
    [
        sign(ORDER, "room", "guess"),
        sign(ORDER, "another room", "secret"),
        sign(ORDER, "room", "secret").replace(b"agent-1", b"agent-2"),
        ORDER.model_dump_json().encode(),
        b'{"type": "room_cleanup"}',
        b"[]",
        b"\xff\xfe",
        b"",
    ],
)
def test_nothing_else_is_an_order(forged: bytes) -> None:
    assert verify(forged, "room", "secret") is None
