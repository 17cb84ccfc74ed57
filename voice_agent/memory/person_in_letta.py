"""Deletion of a person from Letta. Every step may be repeated: an interrupted deletion begins again.

A person's homes are deleted whole. The owner's home is the assistant's own agent, which stays: deleted there are the
conversations, the passages that hold facts, and the text of our block. Blocks that others wrote stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.memory.audience import has_memory
from voice_agent.memory.drainer import AgentLocks
from voice_agent.memory.facts.block import DESCRIPTION
from voice_agent.memory.homes import lives_in_the_assistant
from voice_agent.memory.model import FACTS, LettaPort, marked_fact

_NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Held:
    """Where Letta may hold something about a person."""

    assistants: frozenset[str] = _NOTHING
    """Letta agents of the assistants that the person talked to."""
    homes: frozenset[str] = _NOTHING
    conversations: frozenset[str] = _NOTHING
    """Conversations that do not end with a home."""
    passages: frozenset[str] = _NOTHING
    """Passages in an assistant's own agent that facts came from; ours are found by their tags."""

    def with_more(self, other: Held) -> Held:
        return Held(*(getattr(self, part.name) | getattr(other, part.name) for part in fields(Held)))

    def document(self) -> dict[str, list[str]]:
        return {part.name: sorted(getattr(self, part.name)) for part in fields(Held)}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        return cls(**{part.name: frozenset(document.get(part.name, ())) for part in fields(Held)})


NOTHING_HELD: Final = Held()


class PersonInLetta:
    def __init__(self, letta: LettaPort, locks: AgentLocks) -> None:
        self._letta = letta
        self._locks = locks

    async def delete(self, person_id: str, held: Held) -> None:
        """Raises when it cannot be finished now."""
        agents = held.assistants if lives_in_the_assistant(person_id) else held.homes
        async with AsyncExitStack() as stack:
            for agent in sorted(agents):
                lock = self._locks.of(agent)
                if lock.locked():  # not waited for: reflection may hold an agent for minutes
                    raise Temporary(Code.LETTA_UNAVAILABLE, "Something else is being written to the person's memory.")
                await stack.enter_async_context(lock)
            for assistant in sorted(held.assistants):
                if lives_in_the_assistant(person_id):
                    await self._clear(assistant, held)
                elif has_memory(person_id):
                    for home in await self._letta.find_homes(assistant, person_id):
                        await self._letta.delete_agent(home)
            for home in sorted(held.homes):
                await self._letta.delete_agent(home)
            for conversation in sorted(held.conversations):
                await self._letta.delete_conversation(conversation)

    async def _clear(self, assistant: str, held: Held) -> None:
        """Of the owner, in the assistant's own agent."""
        if await self._letta.get_agent(assistant) is None:
            return
        for passage in await self._letta.passages(assistant):
            if marked_fact(passage.tags) or passage.id in held.passages:
                await self._letta.delete_passage(assistant, passage.id)
        block = await self._letta.get_block(assistant, FACTS)
        if block is not None and block.written is not None and block.value:
            await self._letta.set_block(assistant, FACTS, "", DESCRIPTION)
        try:
            # Before conversations are deleted: Letta keeps the prompt of a deleted one.
            await self._letta.recompile_all(assistant)
        except Permanent as error:
            if error.code is not Code.AGENT_NOT_FOUND:
                raise
