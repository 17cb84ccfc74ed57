"""Speech session: livekit's AgentSession with its STT, LLM and TTS, and a track that is there before any human."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession, APIConnectOptions, CloseEvent, room_io, tts
from livekit.agents.voice.agent_session import SessionConnectOptions
from livekit.agents.voice.turn import InterruptionOptions

from voice_agent.contracts import ANSWER_DEADLINE, ProviderChoices
from voice_agent.conversation import noise_suppression
from voice_agent.conversation.barge_in import AttentiveAgent, BargeIn
from voice_agent.conversation.livekit_private import clear_recorded_events, go_on_speaking
from voice_agent.conversation.providers import Build, Providers
from voice_agent.conversation.turn_end import ENDPOINTING
from voice_agent.conversation.voice_track import OwnersTrack
from voice_agent.languages import Language
from voice_agent.providers.endpoints import Endpoint

_LISTENS_AT = 16_000
"""Sample rate of VAD and STT: no second resampling, which was a seventh of a job's idle time."""
_PATIENCE = APIConnectOptions(max_retry=1, retry_interval=0.3, timeout=8.0)
"""One quick retry; then the person hears an apology instead of silence."""
_TIME_TO_THINK = APIConnectOptions(max_retry=0, timeout=ANSWER_DEADLINE)
"""An LLM on a small machine is slow."""
_INTERRUPTION = InterruptionOptions(
    mode="vad",
    min_duration=0.03,  # BargeIn decides; its events have a duration only where they interrupt
    resume_false_interruption=True,
    false_interruption_timeout=2.0,  # for an STT that says nothing where it found no words
)
_NEVER_GIVE_UP = 1_000_000_000
"""livekit ends a session after a few failures; this one apologises and goes on."""


class SpeechSession:
    """An AgentSession in a room. `start` returns when it listens; the track may come up later (AudioPublished)."""

    def __init__(
        self,
        room: rtc.Room,
        build: Build,
        choices: ProviderChoices,
        may_speak: Callable[[], bool],
        suppression: str = noise_suppression.NONE,
    ) -> None:
        self._room = room
        self._suppression = suppression
        self._build = build
        self._choices = choices
        self._providers = providers = build(choices)
        self._retired: list[Providers] = []
        self._agent: AttentiveAgent | None = None
        self.listening = asyncio.Event()
        """Set while the session runs."""
        self._linked = ""
        self.may_speak = may_speak
        self._track = OwnersTrack(room, may_speak)
        self._barge_in = BargeIn(self._track, lambda: go_on_speaking(self.session))
        self.session: AgentSession[Any] = AgentSession(
            vad=self._barge_in.gated(providers.vad),
            stt=providers.stt,
            llm=providers.llm,
            tts=providers.tts,
            turn_handling={
                "turn_detection": providers.turn_end or "vad",
                "endpointing": ENDPOINTING,
                "interruption": _INTERRUPTION,
                # An answer that is thrown away delays the answer to the next sentence on a small machine.
                "preemptive_generation": {"enabled": False},
            },
            user_away_timeout=None,
            # Otherwise nothing is recognised in the first three seconds of speech: BargeIn knows an echo.
            aec_warmup_duration=None,
            conn_options=SessionConnectOptions(
                stt_conn_options=_PATIENCE,
                llm_conn_options=_TIME_TO_THINK,
                tts_conn_options=_PATIENCE,
                max_unrecoverable_errors=_NEVER_GIVE_UP,
            ),
        )

    async def publish(self) -> None:
        """Publish the track and wait for a first listener. Runs as a task beside the session."""
        await self._track.start()

    @property
    def tts(self) -> tts.TTS[Any]:
        return self._providers.tts

    def use(self, choices: ProviderChoices) -> None:
        """Switch VAD, STT, LLM and TTS from the next sentence on. Raises Permanent if a provider is unavailable."""
        if choices == self._choices:
            return
        providers = self._build(choices)
        self._retired.append(self._providers)  # current speech may still use them
        self._providers, self._choices = providers, choices
        if self._agent is not None:
            self._agent.update_options(
                vad=self._barge_in.gated(providers.vad), stt=providers.stt, llm=providers.llm, tts=providers.tts
            )

    def speak_in(self, language: Language) -> None:
        self._providers.speak_in(language)

    async def start(self, agent: AttentiveAgent) -> None:
        self.session.output.audio = self._track
        self._agent = agent
        agent.barge_in = self._barge_in
        await self.session.start(
            agent,
            room=self._room,
            room_options=room_io.RoomOptions(
                audio_input=room_io.AudioInputOptions(
                    sample_rate=_LISTENS_AT, noise_cancellation=noise_suppression.for_each_track(self._suppression)
                ),
                audio_output=False,
                text_input=False,
                close_on_disconnect=False,
                delete_room_on_close=False,
            ),
            session_host=False,
            record=False,
        )
        self.listening.set()
        self.session.once("close", self._closed)  # livekit ends it before it announces the end of the job
        if self._linked:
            self.listen_to(self._linked)

    def _closed(self, _: CloseEvent) -> None:
        self.listening.clear()

    @property
    def stt_endpoint(self) -> Endpoint:
        return self._providers.stt_endpoint

    @property
    def tts_endpoint(self) -> Endpoint:
        return self._providers.tts_endpoint

    @property
    def llm_endpoint(self) -> Endpoint:
        return self._providers.llm_endpoint

    def listen_to(self, identity: str) -> None:
        self._linked = identity
        if self.listening.is_set():
            self.session.room_io.set_participant(identity)

    def forget(self) -> None:
        """Clear the history and the list of events that the session itself keeps."""
        self.session.history.items.clear()
        clear_recorded_events(self.session)
        self._barge_in.forget()

    async def interrupt(self) -> None:
        """Stop current and pending speech, and wait until it has stopped."""
        if not self.listening.is_set():
            return
        await self.session.interrupt(force=True)
        self.session.clear_user_turn()

    async def close(self) -> None:
        await self.session.aclose()
        await self._track.aclose()
        for providers in (*self._retired, self._providers):
            await providers.aclose()
