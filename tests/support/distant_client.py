"""`python -m tests.support.distant_client URL TOKEN` is a person in a room, in a process that can be stopped.

Types each line of its standard input. Prints JSON: each caption of the agent, and each episode it is engaged in.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from livekit import rtc

from voice_agent.contracts import AgentAttribute, Topic


def tell(**line: Any) -> None:
    print(json.dumps(line), flush=True)


class Distant:
    def __init__(self) -> None:
        self.room = rtc.Room()
        self._episode = ""
        self._reading: set[asyncio.Task[None]] = set()
        self.room.register_text_stream_handler(Topic.TRANSCRIPTION, self._on_caption)
        for event in ("participant_attributes_changed", "participant_connected", "reconnected"):
            self.room.on(event, self._look)
        self.room.on("disconnected", lambda *_: tell(disconnected=True))

    def _on_caption(self, reader: rtc.TextStreamReader, identity: str) -> None:
        async def read() -> None:
            text = await reader.read_all()
            if identity != self.room.local_participant.identity:
                tell(caption=text)

        task = asyncio.get_running_loop().create_task(read())
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    def _look(self, *_: object) -> None:
        for one in self.room.remote_participants.values():
            episode = one.attributes.get(AgentAttribute.EPISODE, "")
            if one.attributes.get(AgentAttribute.STATE) == "engaged" and episode != self._episode:
                self._episode = episode
                tell(episode=int(episode))

    async def stay(self, url: str, token: str) -> None:
        await self.room.connect(url, token)
        source = rtc.AudioSource(48_000, 1)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self.room.local_participant.publish_track(track, options)
        self._look()
        typed = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(typed), sys.stdin)
        while line := await typed.readline():
            await self.room.local_participant.send_text(line.decode().strip(), topic=Topic.CHAT)
        await self.room.disconnect()


if __name__ == "__main__":
    asyncio.run(Distant().stay(sys.argv[1], sys.argv[2]))
