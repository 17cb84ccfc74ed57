"""Agents made, and turns read, through Letta's own interface: past our code."""

from __future__ import annotations

from typing import Any

from tests.support.scripted_llm import MODEL
from tests.support.stack import Stack


def make_agent(stack: Stack, name: str, *facts: str) -> str:
    """An assistant whose memory, and nothing else in the world, knows these facts."""
    agent = stack.letta(
        "POST",
        "/v1/agents/",
        json={
            "name": name,
            "model": f"vllm/{MODEL}",
            "include_base_tools": False,
            "memory_blocks": [
                {"label": "persona", "value": f"I am {name}, calm and brief."},
                {"label": "human", "value": " ".join(facts)},
            ],
        },
    )
    return str(agent["id"])


def spoken_turns(stack: Stack, agent: str) -> list[tuple[str, str]]:
    """Role and text of everything in the agent's conversations."""
    found: list[tuple[str, str]] = []
    for conversation in stack.letta("GET", "/v1/conversations/", params={"agent_id": agent}):
        messages: list[dict[str, Any]] = stack.letta(
            "GET", f"/v1/conversations/{conversation['id']}/messages", params={"order": "asc", "limit": 100}
        )
        found += [
            (message["message_type"], text_of(message["content"]))
            for message in messages
            if message["message_type"] in ("user_message", "assistant_message")
        ]
    return found


def text_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
