"""Announcer of the agent's state as participant attributes (only the newest is sent), and sender of notices."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from livekit import rtc
from pydantic import BaseModel

from voice_agent.contracts import Notice, RecallNote, Topic

_AGAIN_AFTER: Final = 0.5


class Announcer:
    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._wanted: dict[str, str] = {}
        self._published: dict[str, str] = {}
        self._changed = asyncio.Event()

    def announce(self, attributes: Mapping[str, str]) -> None:
        self._wanted.update(attributes)
        self._changed.set()

    async def run(self) -> None:
        """Publish attributes that differ from the published ones, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            difference = {key: value for key, value in self._wanted.items() if self._published.get(key) != value}
            if difference and self._room.isconnected():
                try:
                    await self._room.local_participant.set_attributes(difference)
                except Exception:  # noqa: BLE001 - livekit does not say which; the newest state is sent again
                    self._changed.set()
                    await asyncio.sleep(_AGAIN_AFTER)
                else:
                    self._published.update(difference)

    async def notify(self, notice: Notice, to: str = "") -> None:
        """Send to all participants, or to one identity."""
        await self._send(notice, Topic.NOTICE, to)

    async def show_recalled(self, note: RecallNote, to: str) -> None:
        """Send only to the participant whose facts they are."""
        if to:
            await self._send(note, Topic.RECALL, to)

    async def _send(self, what: BaseModel, topic: Topic, to: str) -> None:
        if self._room.isconnected():
            alone = [to] if to else None
            text = what.model_dump_json()
            await self._room.local_participant.send_text(text, topic=topic, destination_identities=alone)
