"""Questions about "our" things are put to the model as questions about "my" things."""

from __future__ import annotations

import pytest

from voice_agent.conversation.one_person import as_one_person


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        ("What is our dog called?", "What is my dog called?"),
        ("Where are we going on holiday?", "Where am I going on holiday?"),
        ("were we in Rome?", "Was I in Rome?"),
        ("Which day have we booked, and is it ours?", "Which day have I booked, and is it mine?"),
        ("When did we say we'd meet, now that we're late?", "When did I say I'd meet, now that I'm late?"),
        ("Who is coming to see us?", "Who is coming to see me?"),
        ("Have I been to the US?", "Have I been to the US?"),
        ("What is the answer, let us see?", "What is the answer, let us see?"),
        ("What is my name?", "What is my name?"),
        ("", ""),
    ],
)
def test_we_is_i(asked: str, read: str) -> None:
    assert as_one_person(asked) == read
