"""The driver performs each effect by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voice_agent.conversation.driver import Driver
from voice_agent.lifecycle import effects as fx
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.machine import Machine
from voice_agent.observe.journal import Journal
from voice_agent.observe.log import ReconnectLog


async def test_an_effect_that_fails_keeps_none_from_being_performed(tmp_path: Path) -> None:
    log = ReconnectLog(tmp_path / "log.jsonl", "test").bind(room="room")
    journal = Journal(log, Machine())
    failed: list[str] = []
    driver = Driver(journal, lambda _: None, lambda: None, lambda effect, error: failed.append(f"{effect}: {error}"))
    asked: list[str] = []

    def fails(effect: Any) -> None:
        asked.append(type(effect).__name__)
        raise RuntimeError("Not now.")

    kinds = [kind for kind in vars(fx).values() if isinstance(kind, type) and issubclass(kind, fx.Effect)]
    driver.performs({kind: fails for kind in kinds if kind not in (fx.StartTimer, fx.CancelTimer)})
    try:
        driver.tell(ev.JobStarted(0, "a1", 7))
        driver.tell(ev.RoomConnected(()))
    finally:
        driver.close()
    assert {"LoadMemory", "AnnounceState"} <= set(asked)
    assert failed == [f"{name}: Not now." for name in asked]
