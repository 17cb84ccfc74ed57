"""Every entry of the list of tasks and effects (conversation/criticality.py) fails once in a live room, in each way
that it can: the person goes on being heard and answered, or meets a named error."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.control_plane import control_plane
from tests.support.job_worker import JobWorker
from tests.support.letta_directory import running_letta_directory
from tests.support.livekit_server import LiveKitServer
from tests.support.scripted_llm import MODEL, Failure, Rule, ScriptedLLM
from tests.support.walk import ANOTHER_AGENT, BOAT, Outcome, walk
from tests.support.wounds import How, Wound, wounds_possible
from voice_agent.contracts import LogEvent
from voice_agent.conversation.criticality import RULES
from voice_agent.conversation.providers import load_vad
from voice_agent.lifecycle import effects
from voice_agent.settings import Settings

AT_ONCE = frozenset(
    {
        *("AcknowledgeReset", "LinkTo", "Rescan", "AnnounceState", "LeaveRoom", "RebindAgent", "StartTimer"),
        *("CancelTimer", "AcknowledgeArrival", "Dropped"),
    }
)
"""Effects that are performed without a task: nothing is awaited, so they can raise only."""
WOUNDS = [Wound(entry, how) for entry in RULES for how in How if how is How.RAISE or entry not in AT_ONCE]


@dataclass
class Walked:
    outcomes: dict[Wound, Outcome]
    lines: list[dict[str, Any]]
    """Of the reconnect log."""


@pytest.fixture(scope="module")
def walked(
    request: pytest.FixtureRequest, livekit_server: LiveKitServer, tmp_path_factory: pytest.TempPathFactory
) -> Walked:
    """All that were selected, side by side: what went wrong for each, and the lines of the log."""
    chosen = [
        item.callspec.params["wound"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    ]
    home = tmp_path_factory.mktemp("walk")
    with ScriptedLLM() as llm:
        riddles = Failure("hang", times=100, user="riddle")
        llm.script(Rule(user="boat", reply=f"It is called {BOAT}."), Rule(reply="I see."), failures=(riddles,))
        settings = livekit_server.settings.model_copy(
            update={
                "home": home,
                "quiet_after": 1.0,
                "sessions_per_minute": 10_000,
                "llm_base_url": llm.base_url,
                "llm_model": MODEL,
                "tts_base_url": llm.base_url,
                "stt_base_url": llm.base_url,
            }
        )
        with pytest.MonkeyPatch.context() as patch, running_letta_directory(settings.letta_port) as letta:
            for agent in (ANOTHER_AGENT, *(f"agent-{wound}" for wound in chosen)):
                letta.add(agent, "Ada")
            for name, value in settings.as_environment().items():
                patch.setenv(name, value)
            found = asyncio.run(_walked(settings, chosen))
        return Walked(found, [json.loads(line) for line in settings.reconnect_log.read_text().splitlines()])


async def _walked(settings: Settings, chosen: list[Wound]) -> dict[Wound, Outcome]:
    with wounds_possible():
        async with control_plane(settings) as plane, JobWorker(settings, load_vad(), capacity=100) as worker:
            return await walk(plane, worker, chosen)


@pytest.mark.parametrize("wound", WOUNDS, ids=str)
def test_the_person_is_served_all_the_same(walked: Walked, wound: Wound) -> None:
    outcome = walked.outcomes[wound]
    assert not outcome.wrong, outcome.wrong
    if wound.how is How.HANG:
        return  # it is given up later than the visit lasts, or seen by what waits for it
    failed = {
        line["fields"]["task"].rpartition(":")[2].partition("/")[0]: line["fields"]
        for line in walked.lines
        if line["event"] == LogEvent.TASK_FAILED and line["room"] == outcome.room
    }
    assert wound.entry in failed, f"nobody wrote down that it failed: {sorted(failed)}"
    assert failed[wound.entry]["code"]
    assert failed[wound.entry]["weight"] == RULES[wound.entry].weight.value


def test_what_can_raise_only_is_an_effect_of_the_list() -> None:
    assert all(hasattr(effects, name) for name in AT_ONCE)
    assert set(RULES) >= AT_ONCE
