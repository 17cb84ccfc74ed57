"""Letta in memory that never answers while `hangs` is set."""

from __future__ import annotations

import asyncio

from tests.support.fake_letta import FakeLetta
from voice_agent.memory.model import AgentSummary, Snapshot


class HangingLetta(FakeLetta):
    def __init__(self) -> None:
        super().__init__()
        self.hangs = False

    async def _answers(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()

    async def list_agents(self) -> list[AgentSummary]:
        await self._answers()
        return await super().list_agents()

    async def get_agent(self, agent_id: str) -> AgentSummary | None:
        await self._answers()
        return await super().get_agent(agent_id)

    async def load_blocks(self, agent_id: str) -> Snapshot:
        await self._answers()
        return await super().load_blocks(agent_id)
