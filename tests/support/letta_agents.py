"""Agents made, and turns read, through Letta's own interface: past our code."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.scripted_llm import MODEL
from tests.support.stack import Stack
from voice_agent.memory.letta import NOTE_MARK


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
    """Role and text of all that was said with the agent: not of the work on its memory, which comes and goes."""
    found: list[tuple[str, str]] = []
    for conversation in stack.letta("GET", "/v1/conversations/", params={"agent_id": agent}):
        messages = [
            message
            for message in messages_of(stack, conversation["id"])
            if message["message_type"] in ("user_message", "assistant_message")
        ]
        if messages and messages[0].get("sender_id") == NOTE_MARK:
            continue
        found += [(message["message_type"], text_of(message["content"])) for message in messages]
    return found


def messages_of(stack: Stack, conversation: str) -> list[dict[str, Any]]:
    """None of a conversation that has been deleted since it was listed."""
    try:
        return list(
            stack.letta("GET", f"/v1/conversations/{conversation}/messages", params={"order": "asc", "limit": 100})
        )
    except httpx.HTTPStatusError as error:
        if error.response.status_code == 404:
            return []
        raise


def text_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
