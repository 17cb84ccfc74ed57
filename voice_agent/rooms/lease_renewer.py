"""Lease renewer of a job: renews the lease, knows until when the agent may speak, notices a fence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from voice_agent.contracts import LEASE_DEAD_AFTER, LEASE_RENEWAL
from voice_agent.errors import Temporary
from voice_agent.rooms.leases import Health, Lease, Leases

_SILENT_BEFORE: Final = 1.0
"""Seconds by which the holder falls silent before an observer may declare it dead."""


class LeaseRenewer:
    """Run `run()` beside the conversation; call `may_speak()` before each audio frame."""

    def __init__(self, leases: Leases, lease: Lease) -> None:
        self._leases = leases
        self.lease = lease
        self._until = time.monotonic() + LEASE_DEAD_AFTER - _SILENT_BEFORE
        self._fenced = False

    def may_speak(self) -> bool:
        """Cheap. Also false after this process was suspended for longer than the lease, without any message to it."""
        return not self._fenced and time.monotonic() < self._until

    async def run(self, health: Callable[[], Health]) -> None:
        """Renews until fenced, then returns: leave the room. While the database is away the agent falls silent."""
        while True:
            began = time.monotonic()
            with suppress(Temporary):  # `may_speak` runs out by itself
                if not await self._leases.renew(self.lease, health()):
                    self._fenced = True
                    return
                self._until = began + LEASE_DEAD_AFTER - _SILENT_BEFORE
            await asyncio.sleep(LEASE_RENEWAL)
