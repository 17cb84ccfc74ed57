"""Client process that stays silent in a room, prints when an agent is engaged, and can be killed:
`python -m tests.support.silent_client URL TOKEN`.
"""

from __future__ import annotations

import asyncio
import sys

from livekit import rtc

from voice_agent.contracts import AgentAttribute


async def stay(url: str, token: str) -> None:
    room, engaged = rtc.Room(), asyncio.Event()

    def look(*_: object) -> None:
        states = [one.attributes.get(AgentAttribute.STATE) for one in room.remote_participants.values()]
        if "engaged" in states and not engaged.is_set():
            engaged.set()
            print("engaged", flush=True)

    room.on("participant_connected", look)
    room.on("participant_attributes_changed", look)
    await room.connect(url, token)
    track = rtc.LocalAudioTrack.create_audio_track("microphone", rtc.AudioSource(48_000, 1))
    await room.local_participant.publish_track(track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE))
    look()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(stay(sys.argv[1], sys.argv[2]))
