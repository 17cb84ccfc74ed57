"""The Letta agent that is made for an assistant: the request, its tags, and how its blocks are rewritten. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

MADE_TAG: Final = "va:assistant"
_NAME_CHARS: Final = 100


def made_tag(assistant_id: str) -> str:
    return f"{MADE_TAG}:{assistant_id}"


def made_for(tags: Iterable[str]) -> str:
    """Id of the assistant that an agent with these tags was made for; empty: for none of ours."""
    prefix = made_tag("")
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), "")


def new_agent(name: str, description: str, blocks: Mapping[str, str], model: str) -> dict[str, Any]:
    """Body of Letta's POST /v1/agents/."""
    return {
        "name": allowed_name(name, "assistant"),
        "description": description,
        "agent_type": "letta_v1_agent",
        "model": model,
        "memory_blocks": [{"label": label, "value": value} for label, value in blocks.items()],
    }


def allowed_name(name: str, otherwise: str) -> str:
    """Characters that Letta accepts in a name: letters, digits, spaces, hyphens, underscores and apostrophes."""
    return " ".join(re.sub(r"[^\w '\-]+", " ", name).split())[:_NAME_CHARS] or otherwise


def rewritten(value: str, before: str, after: str) -> str:
    """A block whose beginning is our text, with that text replaced. What was added behind it stays; where our text is
    gone, the new one is put in front."""
    if before and value.startswith(before):
        return after + value[len(before) :]
    if value.startswith(after):
        return value
    return f"{after}\n{value}" if value.strip() else after
