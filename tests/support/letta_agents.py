"""Letta agents and turns through Letta's own HTTP interface, past our code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from tests.support.scripted_llm import MODEL
from tests.support.stack import Stack
from voice_agent.memory.letta import NOTE_MARK


def make_agent(stack: Stack, name: str, *facts: str) -> str:
    """An assistant with these facts in its memory and nowhere else."""
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
    """Role and text of all that was said with the agent."""
    return [turn for conversation in spoken_conversations(stack, agent) for turn in conversation]


def spoken_conversations(stack: Stack, agent: str) -> list[list[tuple[str, str]]]:
    """Role and text per conversation, without the temporary conversations of work on the agent's memory."""
    found = []
    for conversation in pages(stack, "/v1/conversations/", agent_id=agent):
        messages = [
            message
            for message in pages(stack, f"/v1/conversations/{conversation['id']}/messages", order="asc")
            if message["message_type"] in ("user_message", "assistant_message")
        ]
        if messages and messages[0].get("sender_id") != NOTE_MARK:
            found.append([(message["message_type"], text_of(message["content"])) for message in messages])
    return found


def pages(stack: Stack, path: str, **params: str) -> Iterator[Any]:
    """Every item of a paged list of Letta; ends without an error if the list is deleted meanwhile."""
    after: dict[str, str] = {}
    try:
        while page := stack.letta("GET", path, params={"limit": "100"} | params | after):
            yield from page
            after = {"after": page[-1]["id"]}
    except httpx.HTTPStatusError as error:
        if error.response.status_code != 404:
            raise


def text_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
