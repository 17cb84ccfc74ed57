from __future__ import annotations

import asyncio

import pytest

from tests.support.eventually import PATIENCE
from voice_agent.errors import Code, Temporary
from voice_agent.models.scheduler import Scheduler, StartLock


async def background(scheduler: Scheduler, started: asyncio.Event, finish: asyncio.Event) -> str:
    async with scheduler.background():
        started.set()
        await finish.wait()
        return "done"


async def test_background_work_ends_when_a_turn_starts() -> None:
    scheduler, started = Scheduler(), asyncio.Event()
    work = asyncio.create_task(background(scheduler, started, asyncio.Event()))
    await started.wait()
    with scheduler.answering(), pytest.raises(Temporary) as refused:
        await work
    assert refused.value.code is Code.MODEL_BUSY


async def test_turns_may_start_while_background_work_still_tidies_up() -> None:
    scheduler, started, told, tidy = Scheduler(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow_to_end() -> None:
        async with scheduler.background():
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                told.set()
                await tidy.wait()

    work = asyncio.create_task(slow_to_end())
    await started.wait()
    with scheduler.answering():
        await told.wait()
        with scheduler.answering():
            tidy.set()
            with pytest.raises(Temporary):
                await work
    finish = asyncio.Event()
    finish.set()
    assert await background(scheduler, asyncio.Event(), finish) == "done", "as if a turn had never ended"


async def test_background_work_waits_for_a_turn_that_begins_as_another_ends() -> None:
    scheduler, started, finish = Scheduler(), asyncio.Event(), asyncio.Event()
    finish.set()
    with scheduler.answering():
        work = asyncio.create_task(background(scheduler, started, finish))
        await asyncio.sleep(0)
    with scheduler.answering():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not started.is_set()
    assert await work == "done"


async def test_background_work_waits_for_the_last_turn() -> None:
    scheduler, started, finish = Scheduler(), asyncio.Event(), asyncio.Event()
    finish.set()
    with scheduler.answering():
        with scheduler.answering():
            work = asyncio.create_task(background(scheduler, started, finish))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not started.is_set()
    assert await work == "done"


async def test_a_turn_does_not_touch_finished_work() -> None:
    scheduler, started, finish = Scheduler(), asyncio.Event(), asyncio.Event()
    finish.set()
    assert await background(scheduler, started, finish) == "done"
    with scheduler.answering():
        await asyncio.sleep(0)


async def test_a_time_out_of_the_work_itself_is_not_ours() -> None:
    scheduler = Scheduler()
    with pytest.raises(TimeoutError):
        async with scheduler.background():
            raise TimeoutError


async def test_background_work_comes_one_at_a_time() -> None:
    scheduler, first, second, finish = Scheduler(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(background(scheduler, first, finish))
        await first.wait()
        group.create_task(background(scheduler, second, finish))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not second.is_set()
        finish.set()
    assert second.is_set()


async def ahead(scheduler: Scheduler, started: asyncio.Event, finish: asyncio.Event) -> str:
    async with scheduler.ahead():
        started.set()
        await finish.wait()
        return "read"


async def test_housekeeping_yields_to_what_the_next_question_will_need() -> None:
    scheduler, kept, started, finish = Scheduler(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    housekeeping = asyncio.create_task(background(scheduler, kept, asyncio.Event()))
    await kept.wait()
    reading = asyncio.create_task(ahead(scheduler, started, finish))
    with pytest.raises(Temporary):
        await housekeeping
    await started.wait()
    later = asyncio.Event()
    again = asyncio.create_task(background(scheduler, later, finish))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not later.is_set()
    finish.set()
    assert [await reading, await again] == ["read", "done"]


async def test_a_turn_ends_the_prewarming_of_a_prompt() -> None:
    scheduler, started = Scheduler(), asyncio.Event()
    reading = asyncio.create_task(ahead(scheduler, started, asyncio.Event()))
    await started.wait()
    with scheduler.answering(), pytest.raises(Temporary):
        await reading


async def comes_through(start_lock: StartLock) -> None:
    async with start_lock.one():
        pass


async def test_the_next_answer_begins_when_this_one_has_begun() -> None:
    start_lock = StartLock()
    async with start_lock.one() as begun:
        waiting = asyncio.create_task(comes_through(start_lock))
        await asyncio.sleep(0)
        assert not waiting.done()
        begun()
        async with asyncio.timeout(PATIENCE):
            await waiting
        async with start_lock.one():
            begun()  # once more is once too often
            waiting = asyncio.create_task(comes_through(start_lock))
            await asyncio.sleep(0)
            assert not waiting.done()
        async with asyncio.timeout(PATIENCE):
            await waiting


async def test_who_no_longer_waits_for_an_answer_keeps_nobody_from_the_next() -> None:
    start_lock = StartLock()
    async with start_lock.one():
        gone, waiting = (asyncio.create_task(comes_through(start_lock)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
    async with asyncio.timeout(PATIENCE):
        await waiting
    assert gone.cancelled()


async def test_a_caption_yields_to_an_answer_but_not_to_a_prewarm() -> None:
    scheduler, started = Scheduler(), asyncio.Event()

    async def caption() -> None:
        async with scheduler.captioning():
            started.set()
            await asyncio.Event().wait()

    async with scheduler.ahead():
        work = asyncio.create_task(caption())
        async with asyncio.timeout(PATIENCE):
            await started.wait()
    assert not work.done()
    with scheduler.answering(), pytest.raises(Temporary):
        await work
