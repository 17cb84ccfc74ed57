"""Source of the answer. `hybrid`: the LLM with the memory in its prompt. `letta`: Letta itself, with a prompt, a
history and tools of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from voice_agent.contracts import AgentBinding, MemoryScope, ReplyPath
from voice_agent.errors import VoiceAgentError
from voice_agent.memory.access import Memory
from voice_agent.memory.audience import Listener
from voice_agent.memory.model import Turn

if TYPE_CHECKING:
    from voice_agent.conversation.turns import Turns


def reply_path(agent: AgentBinding) -> ReplyPath:
    """Letta stores whatever it answers, so it must not answer where nothing may be stored."""
    return agent.reply_path if agent.memory_scope is MemoryScope.PERSONAL else ReplyPath.HYBRID


async def letta_answer(memory: Memory, turn: Turn, agent: AgentBinding, turns: Turns) -> AsyncGenerator[str, None]:
    """Letta's answer to a turn, or an apology: never silence."""
    listener = Listener.of(turn.person_id, agent.audience)
    answer = memory.reply(turn.thread, turn.letta_agent_id, turn.turn_id, turn.user_text, listener, turn.speaker)
    try:
        async for words in answer:
            yield words
    except VoiceAgentError as error:
        yield turns.apology(error)
    finally:
        await answer.aclose()
