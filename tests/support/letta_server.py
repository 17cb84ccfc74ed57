"""Real Letta for the memory tests, with the edits that a user makes in Letta, past our code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg

from tests.support.scripted_llm import MODEL
from tests.support.stack import Stack
from voice_agent.settings import Settings
from voice_agent.stack import postgres

NO_SUCH_AGENT = "agent-00000000-0000-4000-8000-000000000000"


class RealLetta:
    """Letta of the stack, by its REST interface."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @property
    def settings(self) -> Settings:
        return self._stack.settings

    def add_agent(self, name: str, blocks: Mapping[str, str]) -> str:
        memory = [{"label": label, "value": value} for label, value in blocks.items()]
        body = {"name": name, "agent_type": "letta_v1_agent", "model": f"vllm/{MODEL}", "memory_blocks": memory}
        return str(self._stack.letta("POST", "/v1/agents/", json=body)["id"])

    def set_block(self, agent_id: str, label: str, value: str) -> None:
        self._stack.letta("PATCH", f"/v1/agents/{agent_id}/core-memory/blocks/{label}", json={"value": value})

    def remove_block(self, agent_id: str, label: str) -> None:
        block = self._stack.letta("GET", f"/v1/agents/{agent_id}/core-memory/blocks/{label}")["id"]
        self._stack.letta("DELETE", f"/v1/blocks/{block}")

    def block(self, agent_id: str, label: str) -> str:
        return str(self._stack.letta("GET", f"/v1/agents/{agent_id}/core-memory/blocks/{label}")["value"])

    def add_passage(self, agent_id: str, text: str) -> None:
        self._stack.letta("POST", f"/v1/agents/{agent_id}/archival-memory", json={"text": text})

    async def holds(self, words: str, *, also_deleted: bool = False) -> bool:
        """Whether the words are in any row of its database; only with `also_deleted` in one that is marked as
        deleted."""
        connection = await asyncpg.connect(postgres.url(self.settings))
        try:
            columns = "SELECT table_name, column_name = 'is_deleted' FROM information_schema.columns"
            found: dict[str, bool] = {}
            for table, marks in await connection.fetch(f"{columns} WHERE table_schema = 'public'"):
                found[table] = found.get(table, False) or marks
            for table, marks in found.items():
                kept = "NOT is_deleted AND" if marks and not also_deleted else ""
                query = f'SELECT count(*) FROM "{table}" AS a WHERE {kept} a::text LIKE $1'
                if await connection.fetchval(query, f"%{words}%"):
                    return True
        finally:
            await connection.close()
        return False

    def everything_said_to(self, agent_id: str) -> list[Any]:
        """Messages of all the agent's conversations."""
        found: list[Any] = self._stack.letta("GET", f"/v1/agents/{agent_id}/messages", params={"limit": 100})
        return found

    def messages(self, conversation_id: str) -> list[tuple[str, str, str]]:
        """Role, text and mark of everything said in a conversation, oldest first."""
        path = f"/v1/conversations/{conversation_id}/messages"
        found: list[Any] = []
        after: dict[str, str] = {}
        while page := self._stack.letta("GET", path, params={"order": "asc", "limit": 100} | after):
            found += page
            after = {"after": page[-1]["id"]}
        kinds = {"user_message": "user", "assistant_message": "assistant"}
        return [
            (kinds[m["message_type"]], m["content"], m.get("sender_id") or "")
            for m in found
            if m["message_type"] in kinds
        ]
