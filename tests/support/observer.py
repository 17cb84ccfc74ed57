"""Hidden participant that shares no code with the agent and records what it sees and hears (observe/record.py)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from livekit import api, rtc

from voice_agent.settings import Settings

LOUD = 0.01
SILENT_FOR = 0.4
"""Shorter pauses are gaps between words."""
RATE = 16_000


class Observer:
    def __init__(self, room_name: str, path: Path) -> None:
        self.room = rtc.Room()
        self._name = room_name
        self._path = path
        self._listening: dict[str, asyncio.Task[None]] = {}
        self.room.on("participant_connected", self._came)
        self.room.on("participant_disconnected", self._went)
        self.room.on("participant_attributes_changed", lambda _changed, who: self._looked(who))
        self.room.on("track_subscribed", self._heard)

    def note(self, event: str, sid: str = "") -> None:
        line = {"mono": time.monotonic(), "room": self._name, "event": event, "sid": sid}
        with self._path.open("a") as record:
            record.write(json.dumps(line) + "\n")

    async def close(self) -> None:
        await self.room.disconnect()
        for task in self._listening.values():
            task.cancel()
        await asyncio.gather(*self._listening.values(), return_exceptions=True)

    def _came(self, who: rtc.RemoteParticipant) -> None:
        self.note("agent.joined" if _is_agent(who) else "human.joined", who.sid)
        self._looked(who)

    def _went(self, who: rtc.RemoteParticipant) -> None:
        self.note("agent.left" if _is_agent(who) else "human.left", who.sid)

    def _looked(self, who: rtc.Participant) -> None:
        if _is_agent(who):
            self.note("agent.ready" if who.attributes.get("va.ready") == "1" else "agent.unready", who.sid)

    def _heard(self, track: rtc.Track, _publication: object, who: rtc.RemoteParticipant) -> None:
        if _is_agent(who) and track.kind == rtc.TrackKind.KIND_AUDIO:
            self._listening[track.sid] = asyncio.create_task(self._listen(track, who.sid), name="observer:ears")

    async def _listen(self, track: rtc.Track, sid: str) -> None:
        loud_at, speaking = 0.0, False
        stream = rtc.AudioStream.from_track(track=track, sample_rate=RATE, num_channels=1)
        try:
            async for event in stream:
                now = time.monotonic()
                sound = np.frombuffer(event.frame.data, np.int16).astype(np.float32) / 32768
                if float(np.abs(sound).max(initial=0.0)) > LOUD:
                    loud_at = now
                    if not speaking:
                        speaking = True
                        self.note("audio.began", sid)
                elif speaking and now - loud_at > SILENT_FOR:
                    speaking = False
                    self.note("audio.ended", sid)
        finally:
            await stream.aclose()


def _is_agent(who: rtc.Participant) -> bool:
    return who.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


@asynccontextmanager
async def observing(settings: Settings, room_name: str, path: Path) -> AsyncIterator[Path]:
    """Appends the record to `path` meanwhile."""
    observer = Observer(room_name, path)
    grants = api.VideoGrants(room_join=True, room=room_name, hidden=True, can_publish=False, can_publish_data=False)
    token = api.AccessToken(settings.livekit_api_key, settings.livekit_api_secret).with_identity("observer")
    observer.note("observer.joined")
    await observer.room.connect(settings.effective_livekit_url, token.with_grants(grants).to_jwt())
    try:
        for who in list(observer.room.remote_participants.values()):
            observer._came(who)
        yield path
    finally:
        observer.note("observer.left")
        await observer.close()
