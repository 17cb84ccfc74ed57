"""Private names of livekit-agents: each that is in use still exists, and none is used outside of one module."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from livekit.agents import AgentServer, AgentSession, stt
from livekit.agents.vad import VADStream
from livekit.agents.voice.agent_activity import AgentActivity
from livekit.agents.voice.room_io import _output

import voice_agent

SOURCES = Path(voice_agent.__file__).parent
MODULE = SOURCES / "conversation" / "livekit_private.py"
TRACK = (
    "_audio_source",
    "_first_frame_event",
    "_flush_task",
    "_pushed_duration",
    "_source_pushed_duration",
    "_source_discarded_duration",
)
"""Of the audio output that `voice_track.OwnersTrack` extends."""


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (_output, "class _ParticipantAudioOutput"),
        *((_output, f"self.{name}") for name in TRACK),
        (AgentSession.__init__, "self._recorded_events"),
        (AgentSession.__init__, "self._activity"),
        (AgentActivity.__init__, "self._paused_speech"),
        (AgentActivity, "def _start_false_interruption_timer(self, timeout: float)"),
        (VADStream.__init__, "self._event_ch"),
        (VADStream, "async def _main_task"),
        (AgentServer, "async def _refresh_worker_load"),
        (AgentServer, "async def _update_worker_status"),
        (AgentServer, "async def _queue_msg(self, msg: agent.WorkerMessage)"),
        (AgentServer, "self._pending_assignments[job_req.id] = wait_assignment"),
        (AgentServer, "fut = self._pending_assignments.pop(assignment.job.id)"),
        (stt.StreamAdapter.__init__, "self._vad"),
        (stt.StreamAdapter.__init__, "self._stt"),
        (stt.RecognizeStream.__init__, "self._stt"),
        (stt.RecognizeStream.__init__, "self._event_ch"),
        (stt.RecognizeStream.__init__, "self._input_ch"),
        (stt.StreamAdapterWrapper, "async def _run"),
        (stt.StreamAdapterWrapper.__init__, "self._vad"),
        (stt.StreamAdapterWrapper.__init__, "self._wrapped_stt"),
        (stt.StreamAdapterWrapper.__init__, "self._wrapped_stt_conn_options"),
        (stt.StreamAdapterWrapper.__init__, "self._language"),
    ],
)
def test_it_is_still_there(where: object, name: str) -> None:
    assert name in inspect.getsource(where)  # type: ignore[arg-type]


def test_what_each_job_process_loads_has_the_same_place() -> None:
    assert importlib.util.find_spec("livekit.agents.ipc._preload") is not None


def private_uses(source: str) -> Iterator[str]:
    """Imports of private modules or names of livekit."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("livekit"):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            yield from (name for name in names if name.startswith("_"))
        if isinstance(node, ast.Import):
            names = [part for alias in node.names if alias.name.startswith("livekit") for part in alias.name.split(".")]
            yield from (name for name in names if name.startswith("_"))


def test_nothing_private_is_imported_elsewhere() -> None:
    found = {path.name: [*private_uses(path.read_text())] for path in SOURCES.rglob("*.py") if path != MODULE}
    assert {name: uses for name, uses in found.items() if uses} == {}
    assert [*private_uses(MODULE.read_text())], "the test sees what it looks for"
