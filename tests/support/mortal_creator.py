"""`python -m tests.support.mortal_creator KEY NAME WHERE`: creates an assistant and is killed on the way, before or
after its agent is in Letta. Settings come from the environment."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping

from voice_agent import settings as settings_module
from voice_agent.memory.letta import LettaClient
from voice_agent.registry.agents import AgentRegistry
from voice_agent.registry.model import AgentDraft
from voice_agent.registry.store import SqlAgentStore, SqlOwnMemoryStore
from voice_agent.storage import Database


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class MortalLetta(LettaClient):
    where = ""

    async def create_assistant(self, assistant_id: str, name: str, description: str, blocks: Mapping[str, str]) -> str:
        if self.where == "before":
            die()
        made = await super().create_assistant(assistant_id, name, description, blocks)
        if self.where == "after":
            die()
        return made


class MortalMemories(SqlOwnMemoryStore):
    where = ""

    async def settle(self, agent_id: str, letta_agent_id: str) -> str | None:
        kept = await super().settle(agent_id, letta_agent_id)
        if self.where == "stored":
            die()
        return kept


async def main(key: str, name: str, where: str) -> None:
    settings = settings_module.load().settings
    database, letta = Database(settings.effective_database_url), MortalLetta(settings)
    memories = MortalMemories(database)
    letta.where = memories.where = where
    registry = AgentRegistry(SqlAgentStore(database), memories, letta, time.time, "")
    await registry.create(AgentDraft(name, description="Teach me the stars."), key)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
