"""Letta in memory behind `LettaPort`; tests/contract/memory holds it to the same behaviour as the real one.

It can be told to fail the next recordings in each way in which the real one has failed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from enum import Enum

from tests.support.fake_letta_homes import FakeHomes
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.memory.model import (
    AgentSummary,
    Block,
    Recording,
    Snapshot,
    StoredMessage,
    Turn,
    in_a_line,
    is_fact,
    turn_mark,
)


class Mishap(Enum):
    NONE = "stored, and said so"
    REFUSED_BEFORE = "nothing stored, and an error"
    LOST_ANSWER = "stored, but the answer was lost"
    TORN = "stored in the agent's list only"
    POISON = "refused for good"
    REFUSED_KEY = "nothing is taken from us at all"


class FakeLetta(FakeHomes):
    def __init__(self) -> None:
        super().__init__()
        self.torn_marks: dict[str, set[str]] = defaultdict(set)
        self.reflections: list[tuple[str, str]] = []
        self.recompiled: list[str] = []
        self.recordings = 0
        self.fails_on: set[str] = set()
        self.answer: Sequence[str] = ("I ", "do not ", "know.")
        self.seen: list[str] = []
        """For each answer: everything in the model's prompt, and everything that Letta's search tools could return."""
        self.away = False
        self.mishaps: list[Mishap] = []

    async def add_agent(self, name: str, blocks: Sequence[Block]) -> str:
        agent_id = f"agent-{next(self.numbers)}"
        remembers = in_a_line({block.label: block.value for block in blocks})
        self.agents[agent_id] = (AgentSummary(agent_id, name, "", "", remembers), tuple(blocks))
        return agent_id

    async def list_agents(self) -> list[AgentSummary]:
        return [summary for summary, _ in self.agents.values() if summary.id not in self.homes]

    async def get_agent(self, agent_id: str) -> AgentSummary | None:
        known = self.agents.get(agent_id)
        return known[0] if known else None

    async def load_blocks(self, agent_id: str) -> Snapshot:
        if self.away:
            raise Temporary(Code.LETTA_UNAVAILABLE, "away")
        summary, blocks = self.known(agent_id)
        return Snapshot(agent_id, summary.name, blocks, datetime.now(UTC))

    async def create_conversation(self, agent_id: str) -> str:
        _, blocks = self.known(agent_id)
        conversation = f"conv-{next(self.numbers)}"
        self.conversations[conversation] = []
        self.owner[conversation] = agent_id
        self.compiled[conversation] = repr(blocks)
        return conversation

    async def record(self, recording: Recording) -> None:
        mishap = self.mishaps.pop(0) if self.mishaps else Mishap.NONE
        self.recordings += 1
        if self.fails_on & {turn.turn_id for turn in recording.turns}:
            raise Temporary(Code.LETTA_UNAVAILABLE, "an internal error, every time")
        if mishap is Mishap.POISON:
            raise Permanent(Code.BAD_REQUEST, "refused for good")
        if mishap is Mishap.REFUSED_KEY:
            raise Permanent(Code.LETTA_REFUSED, "wrong key")
        if recording.conversation_id not in self.conversations:
            raise Permanent(Code.AGENT_NOT_FOUND, f"no conversation {recording.conversation_id}")
        if mishap is Mishap.REFUSED_BEFORE:
            raise Temporary(Code.LETTA_UNAVAILABLE, "away")
        if mishap is Mishap.TORN:
            self.torn_marks[recording.conversation_id].update(turn_mark(turn.turn_id) for turn in recording.turns)
            raise Temporary(Code.LETTA_UNAVAILABLE, "died between two writes")
        for turn in recording.turns:
            self._store(recording.conversation_id, turn)
        if mishap is Mishap.LOST_ANSWER:
            raise Temporary(Code.LETTA_UNAVAILABLE, "the answer was lost")

    async def run_is_active(self, conversation_id: str) -> bool:
        return False

    async def messages_after(self, conversation_id: str, mark: str | None) -> list[StoredMessage]:
        found = self.conversations.get(conversation_id, [])
        if mark is None:
            return list(found)
        last = max((index for index, message in enumerate(found) if message.mark == mark), default=-1)
        return found[last + 1 :]

    async def agent_holds_mark(
        self, agent_id: str, conversation_id: str, mark: str, since: datetime | None = None
    ) -> bool:
        if mark in self.torn_marks[conversation_id]:
            return True
        return any(message.mark == mark for message in self.conversations.get(conversation_id, []))

    async def has_archive(self, agent_id: str) -> bool:
        return bool(self.archive[agent_id])

    async def search(self, agent_id: str, query: str, *, facts: bool = True) -> list[str]:
        words = set(re.findall(r"\w{3,}", query.lower()))
        kept = [passage for passage in self.archive[agent_id] if facts or not is_fact(passage.tags)]
        return [p.text for p in kept if words & set(re.findall(r"\w{3,}", p.text.lower()))]

    async def reply(self, conversation_id: str, turn_id: str, text: str) -> AsyncGenerator[str, None]:
        """Stores question and answer or, when closed early, nothing."""
        if conversation_id not in self.conversations:
            raise Permanent(Code.AGENT_NOT_FOUND, f"no conversation {conversation_id}")
        agent_id = self.owner[conversation_id]
        searched = [said for other, said in self.conversations.items() if self.owner[other] == agent_id]
        self.seen.append(repr((self.compiled[conversation_id], searched, self.archive[agent_id], text)))
        yield ""
        for words in self.answer:
            yield words
        stored = self.conversations[conversation_id]
        stored.append(StoredMessage("user", text, turn_mark(turn_id)))
        stored.append(StoredMessage("assistant", "".join(self.answer)))

    async def recompile(self, conversation_id: str) -> None:
        self.recompiled.append(conversation_id)
        _, blocks = self.known(self.owner[conversation_id])
        self.compiled[conversation_id] = repr(blocks)

    async def reflect(self, agent_id: str, instruction: str) -> None:
        self.known(agent_id)
        mishap = self.mishaps.pop(0) if self.mishaps else Mishap.NONE
        if mishap is not Mishap.NONE:
            raise Temporary(Code.MODEL_BUSY, "a conversation needed the models")
        self.reflections.append((agent_id, instruction))

    def _store(self, conversation_id: str, turn: Turn) -> None:
        mark = turn_mark(turn.turn_id)
        self.conversations[conversation_id].append(StoredMessage("user", turn.user_text, mark))
        if turn.assistant_text:
            self.conversations[conversation_id].append(StoredMessage("assistant", turn.assistant_text, mark))
