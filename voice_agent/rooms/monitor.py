"""Keeps exactly one agent in every room that needs one: observe, decide, act, again.

Level-triggered: `wake()` only shortens the wait. Nothing it remembers is needed for being right, so any number of
monitors may run; every act is claimed in the book first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voice_agent.contracts import HumanAttribute, LogEvent, RoomMark
from voice_agent.errors import Temporary, VoiceAgentError
from voice_agent.observe.log import ReconnectLog
from voice_agent.registry.ports import SessionStore
from voice_agent.rooms.book import RoomBook, RoomRecord
from voice_agent.rooms.leases import Leases
from voice_agent.rooms.livekit import LiveKit, Participant
from voice_agent.rooms.policy import POLICIES

RESYNC: Final = 2.0
_TOUCH_EVERY: Final = 10.0


@dataclass(frozen=True, slots=True)
class Observed:
    room: RoomRecord
    exists: bool
    humans: tuple[Participant, ...]
    agents: tuple[Participant, ...]


class Monitor:
    def __init__(
        self,
        book: RoomBook,
        leases: Leases,
        sessions: SessionStore,
        livekit: LiveKit,
        log: ReconnectLog,
        clock: Callable[[], float],
        validity: float,
    ) -> None:
        self._book = book
        self._leases = leases
        self._sessions = sessions
        self._livekit = livekit
        self._log = log
        self._clock = clock
        self._validity = validity
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. What cannot be reached now is tried again at the next pass."""
        while True:
            self._woken.clear()
            try:
                await self.check()
            except Temporary as error:
                self._log.write(LogEvent.NOTICE, **error.as_dict())
            try:
                async with asyncio.timeout(RESYNC):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def check(self) -> None:
        """One pass over all our rooms."""
        records = await self._book.all_open()
        live = {room.name for room in await self._livekit.rooms()}
        for record in records:
            try:
                await self._act(await self._observe(record, record.name in live))
            except VoiceAgentError as error:
                self._log.bind(room=record.name).write(LogEvent.DISPATCH_FAILED, **error.as_dict())

    async def _observe(self, record: RoomRecord, exists: bool) -> Observed:
        found = await self._livekit.participants(record.name) if exists else []
        return Observed(record, exists, tuple(p for p in found if p.is_human), tuple(p for p in found if p.is_agent))

    async def _act(self, seen: Observed) -> None:
        room, now = seen.room, self._clock()
        if not seen.exists:
            await self._livekit.create_room(room.name, RoomMark(installation=await self._book.installation()))
        if seen.humans and room.last_human_at + _TOUCH_EVERY < now:
            await self._touch(seen)
        if any(agent.ready for agent in seen.agents):
            if room.failures:
                await self._book.agent_is_ready(room.name)
            return
        policy = POLICIES[room.policy]
        wanted = seen.humans or policy.agent_when_empty or room.wanted_until > now
        if not seen.agents and wanted:
            await self._dispatch(room)
        elif not seen.agents and policy.closes and await self._book.close(room.name, self._validity):
            await self._livekit.delete_room(room.name)
            self._log.bind(room=room.name).write(LogEvent.ROOM_CLOSED)

    async def _dispatch(self, room: RoomRecord) -> None:
        if not await self._book.claim_dispatch(room):
            return
        lease = (await self._leases.all())[room.name]
        if lease.job is not None and room.failures > 0:
            await self._leases.fence(room.name, lease.epoch)
            lease = (await self._leases.all())[room.name]
        job = room.job.model_copy(update={"lease_epoch": lease.epoch})
        await self._livekit.dispatch(room.name, job)
        self._log.bind(room=room.name, session=room.job.session_id).write(
            LogEvent.DISPATCH, attempt=room.claims + 1, lease_epoch=lease.epoch
        )

    async def _touch(self, seen: Observed) -> None:
        await self._book.human_seen(seen.room.name)
        for human in seen.humans:
            if session_id := human.attributes.get(HumanAttribute.SESSION_ID):
                await self._sessions.touch(session_id, self._clock())
