"""Private names of livekit-agents that are in use, all in this module: nothing public does what they do.

`tests/unit/conversation/test_livekit_private.py` names each of them, so that an upgrade that renames one fails there.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final

from livekit import rtc
from livekit.agents import AgentServer, AgentSession, JobRequest, stt, utils
from livekit.agents.stt import SpeechEvent
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions, NotGivenOr
from livekit.agents.vad import VAD, VADEvent, VADStream

# The public RoomIO publishes the track only once a participant has joined; this is its class, started here (ADR 2).
from livekit.agents.voice.room_io._output import _ParticipantAudioOutput as ParticipantAudioOutput
from livekit.protocol import agent

__all__ = [
    "AdapterStream",
    "GatedStream",
    "ParticipantAudioOutput",
    "StreamAdapter",
    "announce_load",
    "clear_recorded_events",
    "fail_job",
    "go_on_speaking",
]


_ASSIGNED_WITHIN: Final = 5.0


def clear_recorded_events(session: AgentSession[Any]) -> None:
    """A session keeps a list of its events for reports, which grows for as long as the session lasts."""
    session._recorded_events.clear()


def go_on_speaking(session: AgentSession[Any]) -> None:
    """By itself livekit waits for seconds before it resumes speech that was paused for nothing."""
    activity = session._activity
    if activity is not None and activity._paused_speech is not None:
        activity._start_false_interruption_timer(0.0)


async def announce_load(server: AgentServer) -> None:
    """By itself livekit-agents reports its load every 2.5 s; until then jobs sent to a full worker are lost."""
    await server._refresh_worker_load()
    await server._update_worker_status()


async def fail_job(server: AgentServer, request: JobRequest, reason: str) -> None:
    """LiveKit lets a worker fail a job only after it took it; by itself livekit-agents starts what it takes."""
    taking = asyncio.get_running_loop().create_task(request.accept(), name=f"refuse/{request.id}")
    try:
        await asyncio.sleep(0)  # LiveKit is being asked to assign the job
        assigned = server._pending_assignments[request.id] = asyncio.get_running_loop().create_future()
        with suppress(TimeoutError):  # else LiveKit has failed it already
            await asyncio.wait_for(assigned, _ASSIGNED_WITHIN)
        failed = agent.UpdateJobStatus(job_id=request.id, status=agent.JobStatus.JS_FAILED, error=reason)
        await server._queue_msg(agent.WorkerMessage(update_job=failed))
    finally:
        server._pending_assignments.pop(request.id, None)
        taking.cancel()
        await asyncio.wait({taking})


def load_job_modules() -> None:
    """Import what each job process would import by itself, a second each time."""
    import livekit.agents.ipc._preload  # noqa: F401


class StreamAdapter(stt.StreamAdapter):
    """STT that recognises whole utterances, cut out of the audio by VAD, with streams of a class of its own."""

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> AdapterStream:
        kind = self.stream_class()
        return kind(self, vad=self._vad, wrapped_stt=self._stt, language=language, conn_options=conn_options)

    @abstractmethod
    def stream_class(self) -> type[AdapterStream]: ...

    async def aclose(self) -> None:
        await super().aclose()
        await self._stt.aclose()


class AdapterStream(stt.StreamAdapterWrapper):
    async def _run(self) -> None:
        await self.run()

    @abstractmethod
    async def run(self) -> None:
        """Process the stream from its first frame to its last."""

    @property
    def adapter(self) -> stt.STT[Any]:
        """The STT that made this stream."""
        return self._stt

    @property
    def vad(self) -> VAD:
        return self._vad

    async def sounds(self) -> AsyncIterator[rtc.AudioFrame | None]:
        """Audio frames; None: what was sent so far is to be flushed."""
        async for sound in self._input_ch:
            yield sound if isinstance(sound, rtc.AudioFrame) else None

    def send(self, event: SpeechEvent) -> None:
        self._event_ch.send_nowait(event)

    async def recognised(self, frames: list[rtc.AudioFrame]) -> SpeechEvent:
        return await self._wrapped_stt.recognize(
            buffer=utils.merge_frames(frames), language=self._language, conn_options=self._wrapped_stt_conn_options
        )


class GatedStream(VADStream):
    """Events of another VAD stream, each as `seen` returns it."""

    def __init__(self, vad: VAD, stream: VADStream, seen: Callable[[VADEvent], VADEvent]) -> None:
        self._stream = stream
        self._seen = seen
        super().__init__(vad)

    async def _main_task(self) -> None:
        async for event in self._stream:
            self._event_ch.send_nowait(self._seen(event))

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        self._stream.push_frame(frame)

    def flush(self) -> None:
        self._stream.flush()

    def end_input(self) -> None:
        self._stream.end_input()

    async def aclose(self) -> None:
        await self._stream.aclose()
        await super().aclose()
