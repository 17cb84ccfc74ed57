"""The prompt of a reply: pure. Stable parts come first, so that an LLM's prefix cache serves every turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from voice_agent.contracts import AgentBinding
from voice_agent.memory.model import Snapshot, Turn

BLOCK_BUDGET: Final = 8_000
"""Characters of one memory block that reach the prompt; more is cut, and the cut is said."""
QUOTE_BUDGET: Final = 1_200

_RULES: Final = (
    "You are talking with a person by voice. Answer in one to three short spoken sentences, "
    "without lists, markup, emoji or stage directions. "
    "What you remember stands below; rely on it, and say so when you do not know something."
)


@dataclass(frozen=True, slots=True)
class Prompt:
    text: str
    truncated: tuple[str, ...] = ()
    """Labels of blocks that were cut."""


def build_prompt(
    agent: AgentBinding,
    snapshot: Snapshot | None,
    *,
    user_name: str = "",
    last_turns: Sequence[Turn] = (),
) -> Prompt:
    parts = [_RULES, f"Your name is {agent.name}."]
    if agent.instructions:
        parts.append(agent.instructions)
    truncated: list[str] = []
    for block in snapshot.blocks if snapshot else ():
        value = block.value
        if len(value) > BLOCK_BUDGET:
            truncated.append(block.label)
            value = f"{value[:BLOCK_BUDGET]} [cut: {len(block.value) - BLOCK_BUDGET} more characters]"
        parts.append(f'<memory label="{block.label}">\n{value}\n</memory>')
    if user_name:
        parts.append(f"The person you are talking with is called {user_name}.")
    if quotation := _quote(last_turns):
        parts.append(
            f"<last_conversation>\nWhat was really said the last time you met, for reference only:\n"
            f"{quotation}\n</last_conversation>"
        )
    return Prompt("\n\n".join(parts), tuple(truncated))


def _quote(turns: Sequence[Turn]) -> str:
    lines: list[str] = []
    room_left = QUOTE_BUDGET
    for turn in reversed(turns):
        broken_off = " [interrupted]" if turn.interrupted else ""
        line = f"They: {turn.user_text}\nYou: {turn.assistant_text}{broken_off}"
        if len(line) > room_left:
            break
        room_left -= len(line)
        lines.append(line)
    return "\n".join(reversed(lines))
