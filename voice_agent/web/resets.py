"""Resets of agents by the control plane: requested, or caused by a leave, and acknowledged by agent attributes."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Final

from voice_agent.contracts import LEAVE_WAIT, ControlMessage
from voice_agent.lifecycle.states import State
from voice_agent.rooms.livekit import LiveKit, Participant

_LOOK_AGAIN: Final = 0.05
"""Seconds between polls: LiveKit reports a change of attributes to participants of the room only."""


class Reset(StrEnum):
    DONE = "done"
    PENDING = "pending"
    NOT_NEEDED = "not_needed"


class Resets:
    def __init__(self, livekit: LiveKit) -> None:
        self._livekit = livekit

    async def order(self, room: str) -> tuple[Reset, int]:
        """Requests a new episode from the room's agent, whoever is there."""
        agent = _answering(await self._livekit.participants(room))
        if agent is None:
            return Reset.NOT_NEEDED, 0
        await self._livekit.order(room, ControlMessage(act="reset"))
        return await self._acknowledged(room, agent)

    async def leave(self, room: str, identity: str) -> tuple[Reset, int]:
        """Removes a person from the room; the agent resets itself when no other human is there."""
        before = await self._livekit.participants(room)
        agent = _answering(before)
        here = [p for p in before if p.is_human]
        leaving = [p for p in here if p.identity == identity]
        await self._livekit.remove_participant(room, identity)
        if agent is None:
            return Reset.NOT_NEEDED, 0
        if len(here) > len(leaving) or (not leaving and agent.state != State.RESETTING):
            return Reset.NOT_NEEDED, agent.episode
        return await self._acknowledged(room, agent)

    async def _acknowledged(self, room: str, before: Participant) -> tuple[Reset, int]:
        # An agent seen in RESETTING may have raised its episode already.
        floor = before.episode if before.state == State.RESETTING else before.episode + 1
        try:
            async with asyncio.timeout(LEAVE_WAIT):
                while True:
                    now = await self._livekit.participants(room)
                    agent = next((p for p in now if p.identity == before.identity), None)
                    if agent is None:
                        return Reset.NOT_NEEDED, before.episode
                    if agent.episode >= floor and agent.state in (State.READY, State.ENGAGED):
                        return Reset.DONE, agent.episode
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            return Reset.PENDING, before.episode


def _answering(present: list[Participant]) -> Participant | None:
    """The ready agent; while none is ready, the first that joined."""
    agents = sorted((p for p in present if p.is_agent), key=lambda p: p.joined_at_ms)
    return next((p for p in agents if p.ready), agents[0] if agents else None)
