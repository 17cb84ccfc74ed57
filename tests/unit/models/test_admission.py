from __future__ import annotations

import asyncio

import pytest

from voice_agent.errors import Code, Temporary
from voice_agent.models.admission import Admission


async def background(admission: Admission, started: asyncio.Event, finish: asyncio.Event) -> str:
    async with admission.background():
        started.set()
        await finish.wait()
        return "done"


async def test_background_work_ends_when_a_turn_starts() -> None:
    admission, started = Admission(), asyncio.Event()
    work = asyncio.create_task(background(admission, started, asyncio.Event()))
    await started.wait()
    with admission.live(), pytest.raises(Temporary) as refused:
        await work
    assert refused.value.code is Code.MODEL_BUSY


async def test_background_work_waits_for_the_last_turn() -> None:
    admission, started, finish = Admission(), asyncio.Event(), asyncio.Event()
    finish.set()
    with admission.live():
        with admission.live():
            work = asyncio.create_task(background(admission, started, finish))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not started.is_set()
    assert await work == "done"


async def test_a_turn_does_not_touch_finished_work() -> None:
    admission, started, finish = Admission(), asyncio.Event(), asyncio.Event()
    finish.set()
    assert await background(admission, started, finish) == "done"
    with admission.live():
        await asyncio.sleep(0)


async def test_a_time_out_of_the_work_itself_is_not_ours() -> None:
    admission = Admission()
    with pytest.raises(TimeoutError):
        async with admission.background():
            raise TimeoutError
