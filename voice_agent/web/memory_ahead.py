"""Memory ahead: while a job is being started, serve reads from Letta what that job will load, so that neither waits for
the other. A job that finds nothing reads by itself."""

from __future__ import annotations

import asyncio
from typing import Final

from voice_agent.contracts import JobMetadata
from voice_agent.memory.access import Memory
from voice_agent.memory.audience import Listener
from voice_agent.memory.model import LettaPort
from voice_agent.storage.database import Database

_WITHIN: Final = 2.0
"""Seconds. Later it is of no use: the job has read by itself."""
_AT_ONCE: Final = 4
"""More readings than this would delay each other, and the sessions that are being opened."""


class MemoryAhead:
    def __init__(self, database: Database, letta: LettaPort) -> None:
        self._database = database
        self._letta = letta
        self._reading: set[asyncio.Task[None]] = set()

    def start(self, job: JobMetadata) -> None:
        if len(self._reading) < _AT_ONCE:
            task = asyncio.get_running_loop().create_task(self._read(job), name=f"memory-ahead/{job.room_name}")
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    async def stop(self) -> None:
        while self._reading:
            for task in self._reading:
                task.cancel()
            await asyncio.wait(self._reading)

    async def _read(self, job: JobMetadata) -> None:
        memory = Memory(self._database, self._letta)  # a new one: it remembers nothing, so it reads
        await memory.read_ahead(job.agent.letta_agent_id, _WITHIN, Listener.in_room(job, job.agent))
