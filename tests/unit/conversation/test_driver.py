"""Driver: it hands out each effect, also after one that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from voice_agent.conversation.driver import Driver
from voice_agent.conversation.effects import AS_TASKS, AT_ONCE, Effects
from voice_agent.conversation.supervision import Supervision
from voice_agent.lifecycle import effects as fx
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.machine import Machine
from voice_agent.observe.journal import Journal
from voice_agent.observe.log import ReconnectLog


class Failing(Effects):
    def __init__(self, driver: Driver) -> None:
        self.asked: list[str] = []
        self.failures: list[str] = []
        self._supervision = cast(Supervision, self)
        self._driver = driver

    def perform(self, effect: fx.Effect) -> None:
        self.asked.append(type(effect).__name__)
        raise RuntimeError("Not now.")

    def failed(self, task: str, error: BaseException) -> None:
        self.failures.append(f"{task}: {error}")


async def test_an_effect_that_fails_keeps_none_from_being_performed(tmp_path: Path) -> None:
    log = ReconnectLog(tmp_path / "log.jsonl", "test").bind(room="room")
    driver = Driver(Journal(log, Machine()))
    effects = Failing(driver)
    driver.attach(effects)
    try:
        driver.tell(ev.JobStarted(0, "a1", 7))
        driver.tell(ev.RoomConnected(()))
    finally:
        driver.close()
    assert {"LoadMemory", "AnnounceState"} <= set(effects.asked)
    assert effects.failures == [f"{name}: Not now." for name in effects.asked]


KINDS = [kind for kind in vars(fx).values() if isinstance(kind, type) and issubclass(kind, fx.Effect)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not fx.Effect], ids=lambda kind: kind.__name__)
def test_each_effect_is_performed_in_one_way(kind: type[Any]) -> None:
    assert (kind in AS_TASKS) != (kind in AT_ONCE)
