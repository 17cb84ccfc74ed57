"""Homes, passages and single blocks of Letta in memory."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from voice_agent.contracts import PERSONAL_LABELS
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.memory.model import (
    FACTS,
    HUMAN,
    AgentSummary,
    Block,
    Copied,
    StoredBlock,
    StoredMessage,
    StoredPassage,
    in_a_line,
)
from voice_agent.memory.own_agent import rewritten


class FakeHomes:
    def __init__(self) -> None:
        self.agents: dict[str, tuple[AgentSummary, tuple[Block, ...]]] = {}
        self.homes: dict[str, tuple[str, str]] = {}
        self.copies: dict[str, frozenset[str]] = {}
        self.made: dict[str, dict[str, str]] = {}
        """Agent that was made for an assistant → the texts that were written into its blocks."""
        self.owner: dict[str, str] = {}
        """Conversation → agent."""
        self.numbers = itertools.count(1)
        self.conversations: dict[str, list[StoredMessage]] = {}
        self.compiled: dict[str, str] = {}
        """Conversation → the blocks in its prompt, as of its creation or last recompilation."""
        self.archive: dict[str, list[StoredPassage]] = defaultdict(list)
        self.written: dict[tuple[str, str], str] = {}
        self.passage_failures: list[bool] = []
        """Lost responses of the next added passages: True if Letta stored the passage nevertheless."""
        self.passages_added = 0

    def known(self, agent_id: str) -> tuple[AgentSummary, tuple[Block, ...]]:
        known = self.agents.get(agent_id)
        if known is None:
            raise Permanent(Code.AGENT_NOT_FOUND, f"no agent {agent_id}")
        return known

    async def create_home(self, agent_id: str, person_id: str, name: str, copied: Copied) -> str:
        summary, blocks = self.known(agent_id)
        home = f"agent-{next(self.numbers)}"
        begun = tuple(
            Block(b.label, "" if b.label == HUMAN else b.value, b.description)
            for b in blocks
            if b.label == HUMAN or (b.label != FACTS and copied(b.label))
        )
        self.agents[home] = (AgentSummary(home, f"{summary.name} - {name}", "", summary.model), begun)
        self.homes[home] = (agent_id, person_id)
        self.copies[home] = frozenset(b.label for b in begun) - PERSONAL_LABELS
        return home

    async def find_homes(self, agent_id: str, person_id: str) -> list[str]:
        return [home for home, of in self.homes.items() if of == (agent_id, person_id)]

    async def sync_home_blocks(self, agent_id: str, home_id: str, copied: Copied) -> None:
        _, theirs = self.known(agent_id)
        summary, ours = self.known(home_id)
        follow = {b.label: b for b in theirs if b.label not in PERSONAL_LABELS and copied(b.label)}
        own = {b.label: b for b in ours if b.label not in self.copies[home_id] or b.label in follow}
        self.agents[home_id] = (summary, tuple((own | follow).values()))
        self.copies[home_id] = frozenset(follow)

    async def delete_agent(self, home_id: str) -> None:
        await self._delete_one_of(self.homes, home_id)

    async def _delete_one_of(self, ours: dict[str, Any], agent_id: str) -> None:
        if agent_id not in self.agents:
            return
        if agent_id not in ours:
            raise Permanent(Code.BAD_REQUEST, f"{agent_id} was not made by us")
        del self.agents[agent_id], ours[agent_id]
        self.archive.pop(agent_id, None)
        self.written = {of: value for of, value in self.written.items() if of[0] != agent_id}
        for conversation in [c for c, owner in self.owner.items() if owner == agent_id]:
            await self.delete_conversation(conversation)

    async def create_assistant(self, assistant_id: str, name: str, description: str, blocks: Mapping[str, str]) -> str:
        agent_id = f"agent-{next(self.numbers)}"
        remembers = in_a_line(blocks)
        summary = AgentSummary(agent_id, name, description, "vllm/test", remembers, assistant_id)
        self.agents[agent_id] = (summary, tuple(Block(label, value) for label, value in blocks.items()))
        self.made[agent_id] = dict(blocks)
        return agent_id

    async def find_assistants(self, assistant_id: str) -> list[str]:
        return [agent_id for agent_id in self.made if self.agents[agent_id][0].made_for == assistant_id]

    async def write_assistant(self, agent_id: str, name: str, description: str, blocks: Mapping[str, str]) -> None:
        summary, there = self.known(agent_id)
        values = {block.label: block.value for block in there}
        before = self.made[agent_id]
        changed = {label: rewritten(values.get(label, ""), before.get(label, ""), to) for label, to in blocks.items()}
        self.made[agent_id] = {**before, **blocks}
        everything = tuple(Block(label, value) for label, value in {**values, **changed}.items())
        self.agents[agent_id] = (replace(summary, name=name, description=description), everything)

    async def delete_assistant(self, agent_id: str) -> None:
        await self._delete_one_of(self.made, agent_id)

    async def delete_conversation(self, conversation_id: str) -> None:
        self.conversations.pop(conversation_id, None)
        self.compiled.pop(conversation_id, None)

    async def recompile_all(self, agent_id: str) -> None:
        _, blocks = self.known(agent_id)
        for conversation in self.conversations:
            if self.owner[conversation] == agent_id:
                self.compiled[conversation] = repr(blocks)

    async def add_passage(self, agent_id: str, text: str, tags: Sequence[str], created_at: datetime) -> str:
        self.known(agent_id)
        kept = self.passage_failures.pop(0) if self.passage_failures else None
        self.passages_added += 1
        passage = StoredPassage(f"passage-{next(self.numbers)}", text, tuple(tags), created_at)
        if kept is not False:
            self.archive[agent_id].append(passage)
        if kept is not None:
            raise Temporary(Code.LETTA_UNAVAILABLE, "the answer was lost")
        return passage.id

    async def passages(self, agent_id: str, containing: str = "") -> list[StoredPassage]:
        self.known(agent_id)
        found = [p for p in self.archive[agent_id] if containing.lower() in p.text.lower()]
        return sorted(found, key=lambda passage: passage.created_at)

    async def delete_passage(self, agent_id: str, passage_id: str) -> None:
        self.archive[agent_id] = [p for p in self.archive[agent_id] if p.id != passage_id]

    async def get_block(self, agent_id: str, label: str) -> StoredBlock | None:
        _, blocks = self.known(agent_id)
        value = next((b.value for b in blocks if b.label == label), None)
        return None if value is None else StoredBlock(value, self.written.get((agent_id, label)))

    async def holds(self, words: str) -> bool:
        """Whether the words are anywhere in its data."""
        held = (self.agents, self.conversations, self.compiled, dict(self.archive), self.written)
        return words in repr(held)

    async def set_block(self, agent_id: str, label: str, value: str, description: str) -> None:
        await self.edit_block(agent_id, label, value, description)
        self.written[agent_id, label] = value

    async def edit_block(self, agent_id: str, label: str, value: str, description: str = "") -> None:
        """As a user does in Letta."""
        summary, blocks = self.known(agent_id)
        changed = {b.label: b for b in blocks} | {label: Block(label, value, description)}
        remembers = in_a_line({b.label: b.value for b in changed.values()})
        summary = AgentSummary(summary.id, summary.name, summary.description, summary.model, remembers)
        self.agents[agent_id] = (summary, tuple(changed.values()))

    async def remove_block(self, agent_id: str, label: str) -> None:
        """As a user does in Letta."""
        summary, blocks = self.known(agent_id)
        self.agents[agent_id] = (summary, tuple(b for b in blocks if b.label != label))
