"""What we use of livekit-agents that is not public: an upgrade that renames one of them fails here."""

from __future__ import annotations

import importlib.util
import inspect

import pytest
from livekit.agents import AgentServer, AgentSession, stt
from livekit.agents.voice.room_io import _output


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (_output, "class _ParticipantAudioOutput"),
        (AgentSession.__init__, "self._recorded_events"),
        (AgentServer, "async def _refresh_worker_load"),
        (AgentServer, "async def _update_worker_status"),
        (stt.RecognizeStream.__init__, "self._event_ch"),
        (stt.RecognizeStream.__init__, "self._input_ch"),
        (stt.StreamAdapterWrapper, "async def _run"),
    ],
)
def test_it_is_still_there(where: object, name: str) -> None:
    assert name in inspect.getsource(where)  # type: ignore[arg-type]


def test_what_each_job_process_loads_has_the_same_place() -> None:
    assert importlib.util.find_spec("livekit.agents.ipc._preload") is not None
