"""Turn-end detector: asks our model server, at each pause, whether the speaker has finished (ADR 7).

livekit ends a turn after the shortest wait when the probability is high enough, else after the longest. A detector that
is away or late counts as sure, so that silence alone decides.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import httpx
import structlog
from livekit import rtc
from livekit.agents import LanguageCode
from livekit.agents.voice.turn import EndpointingOptions, TurnDetectionEvent

from voice_agent.outbound import tls
from voice_agent.providers.local_server import PCM, TURN_END

log = structlog.get_logger()

SURE: Final = 0.7
"""Probability from which the speaker has finished. Chosen by `scripts/bench.sh turns`, like LIMIT."""
LIMIT: Final = 1.2
"""Seconds of silence that end a turn in any case."""
ENDPOINTING: Final = EndpointingOptions(min_delay=0.3, max_delay=LIMIT)
DEADLINE: Final = 0.6
"""Seconds from the question, which comes after 0.2 s of silence. A busy machine is late with the words as well."""
_RATE: Final = 16_000
_HEARS: Final = 8 * _RATE * 2
"""Bytes of a turn that are kept: the model hears no more."""
_LEAD: Final = _RATE
"""Bytes (half a second) before the voice was noticed."""


class TurnEndDetector:
    def __init__(self, base_url: str, deadline: float = DEADLINE) -> None:
        self._url = f"{base_url}{TURN_END}"
        self._deadline = deadline
        # The model server is on this machine.
        self._client = httpx.AsyncClient(trust_env=False, verify=tls())

    @property
    def model(self) -> str:
        return "smart-turn"

    @property
    def provider(self) -> str:
        return "voice-agent"

    def stream(self, **_: object) -> TurnEndStream:
        return TurnEndStream(self)

    async def probability(self, pcm: bytes) -> float:
        """1.0 if the model server has no answer in time."""
        try:
            async with asyncio.timeout(self._deadline):
                answer = await self._client.post(self._url, content=pcm, headers={"content-type": PCM})
                answer.raise_for_status()
                return float(answer.json()["probability"])
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError) as error:
            log.debug("turn_end.unknown", reason=type(error).__name__)
            return 1.0

    async def aclose(self) -> None:
        await self._client.aclose()


class TurnEndStream:
    """Audio of one session; livekit calls it (`livekit.agents.voice.turn` has the protocol)."""

    def __init__(self, detector: TurnEndDetector) -> None:
        self._detector = detector
        self._heard = bytearray()
        self._in_turn = False
        self._judging: set[asyncio.Task[None]] = set()
        self._asked: asyncio.Future[TurnDetectionEvent] | None = None

    @property
    def model(self) -> str:
        return self._detector.model

    @property
    def provider(self) -> str:
        return self._detector.provider

    @property
    def is_fallback(self) -> bool:
        return False

    @property
    def prediction_timeout(self) -> float:
        return DEADLINE * 2  # ours is over before

    async def unlikely_threshold(self, language: LanguageCode | None) -> float | None:
        return SURE

    async def backchannel_threshold(self, language: LanguageCode | None) -> float | None:
        return None

    async def supports_language(self, language: LanguageCode | None) -> bool:
        return True

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        if frame.sample_rate == _RATE and frame.num_channels == 1:
            self._heard += bytes(frame.data)
            del self._heard[:-_HEARS]

    def predict(self) -> asyncio.Future[TurnDetectionEvent]:
        self._withdraw()
        asked: asyncio.Future[TurnDetectionEvent] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._judge(bytes(self._heard), asked), name="turn-end:judge")
        self._judging.add(task)
        task.add_done_callback(self._judging.discard)
        self._asked = asked
        return asked

    async def _judge(self, pcm: bytes, asked: asyncio.Future[TurnDetectionEvent]) -> None:
        probability = await self._detector.probability(pcm) if pcm else 1.0
        if not asked.done():
            asked.set_result(_event(probability))

    def cancel_inference(self, *, timed_out: bool = False) -> None:
        """Also called when a voice is noticed: what was heard before a turn is not part of it."""
        self._withdraw()
        if not self._in_turn:
            self._in_turn = True
            del self._heard[:-_LEAD]

    def flush(self, reason: str | None = None) -> None:
        self._withdraw()
        self._in_turn = False
        self._heard.clear()

    def end_input(self) -> None:
        self.flush()

    async def aclose(self) -> None:
        self.flush()
        for task in self._judging:
            task.cancel()
        await asyncio.gather(*self._judging, return_exceptions=True)

    def _withdraw(self) -> None:
        """An answer that nobody waits for any more: the speech goes on, or the turn is over."""
        asked, self._asked = self._asked, None
        if asked is not None and not asked.done():
            asked.set_result(_event(0.0))
        for task in self._judging:
            task.cancel()


def _event(probability: float) -> TurnDetectionEvent:
    return TurnDetectionEvent("eot_prediction", probability, time.time())
