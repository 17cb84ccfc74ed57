from __future__ import annotations

import pytest

from voice_agent.contracts import AgentBinding
from voice_agent.conversation.greeting import greeting_text


def ada(greeting: str | None) -> AgentBinding:
    return AgentBinding(agent_id="a", letta_agent_id="agent-1", name="Ada", greeting=greeting)


@pytest.mark.parametrize(
    ("greeting", "name", "returning", "enabled", "expected"),
    [
        (None, "", False, True, "Hello, this is Ada. How can I help you?"),
        (None, "Sam", False, True, "Hello, Sam, this is Ada. How can I help you?"),
        (None, "Sam", True, True, "Welcome back, Sam. What would you like to talk about?"),
        ("Hi {name}!", "Sam", False, True, "Hi Sam!"),
        ("Hi {name}!", "", False, True, "Hi there!"),
        ("", "Sam", False, True, ""),
        (None, "Sam", True, False, ""),
    ],
)
def test_the_words_depend_on_who_comes(
    greeting: str | None, name: str, returning: bool, enabled: bool, expected: str
) -> None:
    assert greeting_text(ada(greeting), user_name=name, returning=returning, enabled=enabled) == expected
