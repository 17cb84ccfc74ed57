"""Which room is meant on the command line: by its own name, or by the assistant that is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from voice_agent.errors import Code, Permanent
from voice_agent.registry.model import normalised_name


def room_called(word: str, rooms: Sequence[Mapping[str, Any]], agents: Sequence[Mapping[str, Any]]) -> str:
    """`rooms` and `agents` as GET /rooms and GET /agents list them."""
    names = [str(room["name"]) for room in rooms]
    if word in names:
        return word
    meant = {agent["id"] for agent in agents if word in (agent["id"], agent["letta_agent_id"])}
    called = normalised_name(word).casefold()
    meant = meant or {agent["id"] for agent in agents if str(agent["name"]).casefold() == called}
    there = [str(room["name"]) for room in rooms if room["agent_id"] in meant]
    if len(there) == 1:
        return there[0]
    if there:
        raise Permanent(
            Code.AGENT_AMBIGUOUS, f"{word} is in {len(there)} rooms.", f"Give the name of one: {', '.join(there)}."
        )
    if meant:
        raise Permanent(Code.NOT_FOUND, f"{word} is in no room.", _others(names))
    raise Permanent(Code.AGENT_NOT_FOUND, f"There is no room and no assistant {word!r}.", _others(names))


def _others(names: Sequence[str]) -> str:
    return f"Open rooms: {', '.join(names)}." if names else "No room is open."
