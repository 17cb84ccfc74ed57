"""An assistant that speaks in a real room to somebody who makes sounds, and what that person hears of it.

Its words and its sound are made ahead, without silences, so that it is known what should be heard at each moment.
Everything else is the product's: session, track, voice detection, recognition, interruption.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from livekit import api, rtc
from livekit.agents import ChatContext, ModelSettings, StopResponse, llm
from livekit.agents.voice import SpeechHandle

from tests.support.eventually import PATIENCE
from tests.support.speech import samples_of, say
from voice_agent.contracts import AS_INSTALLED
from voice_agent.conversation.barge_in import AttentiveAgent
from voice_agent.conversation.providers import build_providers, load_vad
from voice_agent.conversation.speech_session import SpeechSession
from voice_agent.models.audio import RECOGNITION_RATE, Samples
from voice_agent.settings import Settings

RATE: Final = 24_000
FRAME: Final = 0.02
QUIET: Final = 0.004
SENTENCES: Final = (
    "The first harbour on our way lies behind a narrow island full of birches and old wooden boats.",
    "A second road leads along the river to the mill where they grind barley every autumn.",
    "Thirdly we pass a garden with seven apple trees that a teacher planted before the war.",
    "Number four is the railway bridge which was painted green by mistake and never changed since.",
    "The fifth place has a small museum of clocks and nobody knows who winds them at night.",
)
Session = Callable[[rtc.Room, Settings], SpeechSession]


@dataclass(frozen=True)
class Story:
    """What the assistant says, and when it says which word."""

    samples: Samples
    """24 kHz."""
    ends: tuple[tuple[float, int], ...]
    """Of each sentence: its end in seconds, and the words up to there."""

    @classmethod
    def spoken(cls, base_url: str) -> Story:
        parts, ends, seconds, words = [], [], 0.0, 0
        for sentence in SENTENCES:
            parts.append(
                without_pauses(samples_of(say(sentence, base_url, rate=RATE, voice="af_heart", before=0, after=0)))
            )
            seconds, words = seconds + len(parts[-1]) / RATE, words + len(sentence.split())
            ends.append((seconds, words))
        return cls(np.concatenate(parts), tuple(ends))

    def words_at(self, seconds: float) -> float:
        before, count = 0.0, 0
        for end, words in self.ends:
            if seconds <= end:
                return count + (words - count) * (seconds - before) / (end - before)
            before, count = end, words
        return float(count)


def without_pauses(samples: Samples) -> Samples:
    frame = RATE // 100
    rows = samples[: len(samples) // frame * frame].reshape(-1, frame)
    quiet = np.sqrt((rows**2).mean(axis=1)) < 0.01
    run = np.zeros(len(rows), int)
    for at in range(len(rows)):
        run[at] = run[at - 1] + 1 if quiet[at] and at else int(quiet[at])
    return np.asarray(rows[run <= 5].reshape(-1), np.float32)


class Storyteller(AttentiveAgent):
    def __init__(self, story: Story) -> None:
        super().__init__(instructions="")
        self.story = story
        self.turns: list[str] = []
        self.turn = asyncio.Event()

    async def llm_node(
        self, chat_ctx: ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncGenerator[str, None]:
        for sentence in SENTENCES:
            yield f"{sentence} "

    async def tts_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncGenerator[rtc.AudioFrame, None]:
        async for _ in text:
            pass
        pcm = (self.story.samples * 32767).astype(np.int16)
        for start in range(0, len(pcm), RATE // 10):
            part = pcm[start : start + RATE // 10]
            yield rtc.AudioFrame(part.tobytes(), RATE, 1, len(part))

    async def on_user_turn_completed(self, turn_ctx: ChatContext, new_message: llm.ChatMessage) -> None:
        text = new_message.text_content or ""
        if any(letter.isalnum() for letter in text):
            self.turns.append(text)
            self.turn.set()
        raise StopResponse


class Listener:
    """Person in the room: a microphone that never stops, and the assistant's sound with the time at which it came."""

    def __init__(self, room: rtc.Room) -> None:
        self.room = room
        self.source = rtc.AudioSource(RECOGNITION_RATE, 1, queue_size_ms=40)
        self.times: list[float] = []
        self.heard: list[Samples] = []
        self.echo: tuple[float, float] | None = None
        """Gain and delay in seconds of the assistant's sound at the microphone."""
        self._sounds: deque[Samples] = deque()
        self._onset: asyncio.Future[float] | None = None
        self._new = asyncio.Event()
        self._half = 0

    async def play(self, samples: Samples) -> float:
        """Returns the time at which the sound begins at the microphone."""
        self._onset = asyncio.get_running_loop().create_future()
        size = RECOGNITION_RATE // 100
        padded = np.concatenate([samples, np.zeros(-len(samples) % size, np.float32)])
        self._sounds.extend(padded.reshape(-1, size))
        return await self._onset

    async def speak(self) -> None:
        size = RECOGNITION_RATE // 100
        while True:
            sound = self._sounds.popleft() if self._sounds else np.zeros(size, np.float32)
            if self._onset is not None and not self._onset.done():
                self._onset.set_result(time.monotonic() + self.source.queued_duration)
            sound = sound + self._echo(size)
            pcm = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
            await self.source.capture_frame(rtc.AudioFrame(pcm.tobytes(), RECOGNITION_RATE, 1, size))

    def _echo(self, size: int) -> Samples:
        if self.echo is None or not self.times:
            return np.zeros(size, np.float32)
        gain, delay = self.echo
        wanted = time.monotonic() - delay
        at = int(np.searchsorted(self.times[-200:], wanted)) + max(0, len(self.times) - 200)
        frame = self.heard[min(at, len(self.heard) - 1)]
        positions = np.linspace(0, len(frame) - 1, 2 * size)
        resampled = np.interp(positions, np.arange(len(frame)), frame).astype(np.float32)
        self._half = 1 - self._half
        return np.asarray(resampled[(1 - self._half) * size : (2 - self._half) * size] * gain, np.float32)

    async def listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream.from_track(track=track, sample_rate=RATE, num_channels=1, frame_size_ms=20)
        try:
            async for event in stream:
                self.heard.append(np.frombuffer(event.frame.data, np.int16).astype(np.float32) / 32768.0)
                self.times.append(time.monotonic())
                self._new.set()
        finally:
            await stream.aclose()

    def clear(self) -> None:
        self.times.clear()
        self.heard.clear()

    def levels(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Times and RMS of each frame."""
        return np.array(self.times), np.array([float(np.sqrt((frame**2).mean())) for frame in self.heard])

    async def until_loud(self, seconds: float) -> None:
        """Until that many seconds of sound were heard."""
        async with asyncio.timeout(PATIENCE):
            while sum(np.sqrt((frame**2).mean()) > QUIET for frame in self.heard) * FRAME < seconds:
                self._new.clear()
                await self._new.wait()


class Talk:
    def __init__(self, speech: SpeechSession, teller: Storyteller, listener: Listener) -> None:
        self.speech, self.teller, self.listener = speech, teller, listener

    async def begin(self) -> SpeechHandle:
        self.listener.clear()
        self.teller.turns.clear()
        self.teller.turn.clear()
        return self.speech.session.generate_reply(user_input="Tell me.")

    async def stop(self) -> None:
        self.listener.echo = None
        await self.speech.interrupt()
        self.speech.session.clear_user_turn()


def as_installed(room: rtc.Room, settings: Settings) -> SpeechSession:
    return SpeechSession(room, partial(build_providers, settings, load_vad()), AS_INSTALLED, lambda: True)


@asynccontextmanager
async def talking(settings: Settings, name: str, story: Story, session: Session = as_installed) -> AsyncIterator[Talk]:
    """`settings`: of a LiveKit server and a model server that run."""
    agents_room, persons_room = rtc.Room(), rtc.Room()
    tracks: asyncio.Queue[rtc.Track] = asyncio.Queue()
    persons_room.on("track_subscribed", lambda track, *_: tracks.put_nowait(track))
    await _create(settings, name)
    await agents_room.connect(settings.effective_livekit_url, _token(settings, name, "assistant"))
    await persons_room.connect(settings.effective_livekit_url, _token(settings, name, "person"))
    listener = Listener(persons_room)
    microphone = rtc.LocalAudioTrack.create_audio_track("microphone", listener.source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await persons_room.local_participant.publish_track(microphone, options)
    speech, teller = session(agents_room, settings), Storyteller(story)
    await speech.start(teller)
    speech.listen_to("person")
    tasks = [asyncio.create_task(speech.publish(), name="publish"), asyncio.create_task(listener.speak(), name="mic")]
    tasks.append(asyncio.create_task(listener.listen(await tracks.get()), name="listen"))
    try:
        yield Talk(speech, teller, listener)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await speech.close()
        await persons_room.disconnect()
        await agents_room.disconnect()
        await listener.source.aclose()


async def _create(settings: Settings, name: str) -> None:
    url = settings.effective_livekit_url.replace("ws", "http", 1)
    async with api.LiveKitAPI(url, settings.livekit_api_key, settings.livekit_api_secret) as server:
        with contextlib.suppress(api.TwirpError):
            await server.room.create_room(api.CreateRoomRequest(name=name))


def _token(settings: Settings, room: str, identity: str) -> str:
    token = api.AccessToken(settings.livekit_api_key, settings.livekit_api_secret)
    return token.with_identity(identity).with_grants(api.VideoGrants(room_join=True, room=room)).to_jwt()
