from __future__ import annotations

import asyncio
from typing import cast

import pytest

from voice_agent.contracts import Weight
from voice_agent.conversation.criticality import RULES, Rule
from voice_agent.conversation.tasks import OwnedTasks


async def test_stop_waits_for_the_end_of_what_it_cancels() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # cleaning up takes a turn of the loop
            ended.append("cleaned up")

    tasks = OwnedTasks("episode", lambda *_: None)
    tasks.start("recall", work())
    await asyncio.sleep(0)
    await tasks.stop()
    assert ended == ["cleaned up"]
    assert len(tasks) == 0


async def test_a_task_may_stop_its_own_owner() -> None:
    tasks = OwnedTasks("episode", lambda *_: None)

    async def suicidal() -> str:
        await tasks.stop()
        return "survived"

    assert await tasks.start("notice", suicidal()) == "survived"


async def test_an_error_reaches_the_owner_with_the_tasks_name() -> None:
    seen: list[tuple[str, str]] = []

    async def fails() -> None:
        raise ValueError("no")

    tasks = OwnedTasks("job", lambda name, error: seen.append((name, repr(error))))
    tasks.start("turn", fails(), "t1")
    await tasks.finish()
    assert seen == [("job:turn/t1", "ValueError('no')")]


async def test_a_task_without_a_rule_for_its_failure_is_not_started() -> None:
    async def work() -> None:
        raise AssertionError("started")

    tasks = OwnedTasks("job", lambda *_: None)
    with pytest.raises(KeyError):
        tasks.start("unheard of", work())
    assert len(tasks) == 0


async def test_what_somebody_else_cancels_has_failed_and_what_is_dropped_has_not() -> None:
    seen: list[tuple[str, str]] = []

    async def lasts() -> None:
        await asyncio.Event().wait()

    tasks = OwnedTasks("job", lambda name, error: seen.append((name, type(error).__name__)))
    tasks.start("lease", lasts()).cancel()
    tasks.drop(tasks.start("prewarm-prompt", lasts()))
    await tasks.finish()
    tasks.start("announce", lasts())
    await tasks.stop()
    assert seen == [("job:lease", "CancelledError")]


async def test_what_takes_longer_than_its_rule_says_is_given_up_and_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast(dict[str, Rule], RULES), "notice", Rule(Weight.OPTIONAL, within=0.01))
    failed: asyncio.Future[tuple[str, BaseException]] = asyncio.get_running_loop().create_future()

    async def hangs() -> None:
        await asyncio.Event().wait()

    tasks = OwnedTasks("job", lambda name, error: failed.set_result((name, error)))
    tasks.start("notice", hangs())
    name, error = await asyncio.wait_for(failed, 10)
    assert (name, type(error), len(tasks)) == ("job:notice", TimeoutError, 0)
