"""Who answers. `hybrid`: the language model with the memory in its prompt, which may also search the archive.
`letta`: Letta itself, with a prompt, a history and tools of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

from livekit.agents import Agent, FunctionTool, function_tool

from voice_agent.contracts import AgentBinding, MemoryScope, ReplyPath
from voice_agent.errors import VoiceAgentError
from voice_agent.memory.access import Memory
from voice_agent.memory.model import Turn

_SEARCH: Final = (
    "Look something up in your long-term memory. Use it when you are asked about something that you may have been told "
    "but that does not stand above."
)
_NOTHING: Final = "Nothing was found. Say that you do not know."
_NOT_NOW: Final = "Memory cannot be searched just now. Say so."


def reply_path(agent: AgentBinding) -> ReplyPath:
    """Letta writes down whatever it answers: where nothing may be written, it must not be the one that answers."""
    return agent.reply_path if agent.memory_scope is MemoryScope.PERSONAL else ReplyPath.HYBRID


def search_tool(search: Callable[[str], Awaitable[list[str]]]) -> FunctionTool[Any, Any]:
    @function_tool(name="search_memory", description=_SEARCH)
    async def search_memory(query: str) -> str:
        try:
            return "\n".join(await search(query)) or _NOTHING
        except VoiceAgentError:
            return _NOT_NOW

    return search_memory


async def offer_search(memory: Memory, persona: Agent, letta_agent_id: str, person_id: str = "") -> None:
    """A small language model is not bothered with a tool that has nothing to find."""
    try:
        archive = await memory.has_archive(letta_agent_id)
    except VoiceAgentError:
        return  # that Letta is away is reported by whoever loads; the archive waits for the next episode
    tool = search_tool(lambda query: memory.search(letta_agent_id, query, person_id))
    await persona.update_tools([tool] if archive else [])


async def letta_answer(
    memory: Memory, turn: Turn, apologise: Callable[[VoiceAgentError], str]
) -> AsyncGenerator[str, None]:
    """Letta's words for a turn, or an apology: never silence."""
    answer = memory.reply(turn.thread, turn.letta_agent_id, turn.turn_id, turn.user_text, turn.person_id, turn.speaker)
    try:
        async for words in answer:
            yield words
    except VoiceAgentError as error:
        yield apologise(error)
    finally:
        await answer.aclose()
