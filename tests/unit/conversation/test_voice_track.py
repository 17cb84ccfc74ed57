"""Audio source that is held: what was given away and not heard is played when it goes on, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from livekit import rtc

from tests.support.eventually import PATIENCE
from voice_agent.conversation.voice_track import PausableSource

RATE = 24_000
SECONDS = 0.05
pytestmark = pytest.mark.usefixtures("media_engine")


def frame(number: int) -> rtc.AudioFrame:
    samples = int(SECONDS * RATE)
    return rtc.AudioFrame(np.full(samples, number, np.int16).tobytes(), RATE, 1, samples)


class Recorded(PausableSource):
    """Also notes each frame that is given away."""

    def __init__(self) -> None:
        super().__init__(RATE)
        self.given: list[int] = []

    async def _push(self, frame: rtc.AudioFrame) -> None:
        self.given.append(int(np.frombuffer(frame.data, np.int16)[-1]))
        await super()._push(frame)


@pytest.fixture
async def source() -> AsyncIterator[Recorded]:
    made = Recorded()
    yield made
    await made.aclose()


async def test_what_was_not_heard_is_taken_back_and_comes_first(source: Recorded) -> None:
    for number in (1, 2, 3):
        await source.capture_frame(frame(number))
    queued = source.queued_duration
    source.hold()
    assert source.queued_duration == 0.0
    assert source.unheard == pytest.approx(queued, abs=0.005)
    waiting = asyncio.create_task(source.capture_frame(frame(4)), name="capture")
    await asyncio.sleep(0)
    assert not waiting.done()
    before = len(source.given)
    source.go_on()
    await asyncio.wait_for(waiting, PATIENCE)
    again = source.given[before:]
    assert again == sorted(set(again)), "once each, in their order"
    assert again[-2:] == [3, 4]
    assert source.unheard == 0.0


@pytest.mark.parametrize("waits_before", [True, False])
async def test_speech_whose_end_is_held_has_not_ended(source: Recorded, waits_before: bool) -> None:
    await source.capture_frame(frame(1))
    if not waits_before:
        source.hold()
    over = asyncio.create_task(source.wait_for_playout(), name="playout")
    await asyncio.sleep(0)
    source.hold()
    await asyncio.sleep(2 * SECONDS)
    assert not over.done()
    source.go_on()
    await asyncio.wait_for(over, PATIENCE)
    assert source.given == [1, 1]


async def test_what_is_dropped_is_not_played_later(source: Recorded) -> None:
    await source.capture_frame(frame(1))
    source.hold()
    late = asyncio.create_task(source.capture_frame(frame(2)), name="capture")
    await asyncio.sleep(0)
    assert source.drop() == pytest.approx(SECONDS, abs=0.02)
    source.go_on()
    await asyncio.wait_for(late, PATIENCE)
    assert source.given == [1]


async def test_the_level_is_that_of_the_loudest_frame(source: Recorded) -> None:
    assert source.level == -100.0
    await source.capture_frame(frame(3277))
    await source.capture_frame(frame(10))
    assert source.level == pytest.approx(-20.0, abs=0.1)
