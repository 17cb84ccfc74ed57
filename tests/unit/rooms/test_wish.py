from __future__ import annotations

import pytest

from voice_agent.rooms.wish import MAX_WISH, wish_in, wished


@pytest.mark.parametrize(
    ("metadata", "wish"),
    [
        ("", ""),
        ("  ", ""),
        ("{}", ""),
        ("null", ""),
        ('{"user": "42"}', ""),
        ('{"agent_id": null}', ""),
        ('{"agent_id": "va-1", "user": "42"}', "va-1"),
        ('{"agent_id": " Front Desk "}', "Front Desk"),
        ("Front Desk", "Front Desk"),
        ('"Front Desk"', "Front Desk"),
        ("{not json", "{not json"),
        ('{"agent_id": 7}', '{"agent_id": 7}'),
        ("[1]", "[1]"),
        ("[" * 100_000, "[" * MAX_WISH),
        ("x" * 1000, "x" * MAX_WISH),
    ],
)
def test_metadata_of_a_dispatch(metadata: str, wish: str) -> None:
    assert wish_in(metadata) == wish


@pytest.mark.parametrize(
    ("agent_name", "metadata", "wish"),
    [
        ("", "", ""),
        ("voice-agent", "", ""),
        ("voice-agent", "Ada", "Ada"),
        ("Bert", "Ada", "Bert"),
        (" Bert ", '{"user": 1}', "Bert"),
    ],
)
def test_the_name_of_our_workers_leaves_the_choice_to_the_metadata(agent_name: str, metadata: str, wish: str) -> None:
    assert wished(agent_name, metadata, "voice-agent") == wish
