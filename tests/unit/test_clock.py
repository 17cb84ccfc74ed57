"""Wall clock: its date can run ahead of the machine's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from voice_agent import clock
from voice_agent.errors import VoiceAgentError
from voice_agent.settings import load


@pytest.mark.parametrize(("ahead", "days"), [("", 0), ("3", 3), ("-1.5", -1.5), ("soon", 0), ("nan", 0), ("1e9", 0)])
def test_days_ahead(monkeypatch: pytest.MonkeyPatch, ahead: str, days: float) -> None:
    monkeypatch.setenv(clock.AHEAD, ahead)
    assert abs(clock.now() - datetime.now(UTC) - timedelta(days=days)) < timedelta(seconds=5)
    assert clock.today() == clock.now().astimezone().date()


@pytest.mark.parametrize("ahead", ["soon", "1e9"])
def test_what_is_no_number_of_days_is_refused_with_the_settings(ahead: str) -> None:
    with pytest.raises(VoiceAgentError, match=clock.AHEAD):
        load({clock.AHEAD: ahead})
