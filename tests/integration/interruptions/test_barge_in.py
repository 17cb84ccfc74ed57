"""Somebody makes sounds while the assistant speaks, in a real room with the local voice detection and recognition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from livekit.agents import llm
from livekit.agents.voice import SpeechHandle

from tests.support.eventually import PATIENCE
from tests.support.heard_of import HeardOf, heard_of
from tests.support.livekit_server import LiveKitServer
from tests.support.models import RunningModels, running_models
from tests.support.overheard import Story, Talk, talking
from tests.support.sounds import spoken_once

pytestmark = pytest.mark.usefixtures("media_engine")
SOON = 5.0
"""Seconds. The figures come from the bench; here the machine may be busy."""
LOST = 0.15


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningModels]:
    home: Path = tmp_path_factory.mktemp("models")
    with running_models(home, {"VOICE_LLM_BASE_URL": "http://127.0.0.1:9/v1"}) as running:
        yield running


@pytest.fixture(scope="module")
def story(models: RunningModels) -> Story:
    return Story.spoken(models.base_url)


@asynccontextmanager
async def talk_about(
    story: Story, livekit_server: LiveKitServer, models: RunningModels, room: str
) -> AsyncIterator[Talk]:
    """Not a fixture: it must end before the test is asked what it leaves behind."""
    port = int(models.url.rsplit(":", 1)[1])
    settings = livekit_server.settings.model_copy(update={"models_port": port})
    before = asyncio.all_tasks()
    async with talking(settings, room, story) as made:
        yield made
    # livekit leaves the tasks of its last transcript.
    late = asyncio.all_tasks() - before
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


async def say(talk: Talk, models: RunningModels, text: str) -> float:
    await talk.listener.until_loud(2.5)
    sound = await asyncio.to_thread(spoken_once, text, models.base_url, "am_michael")
    return await talk.listener.play(sound)


def kept(handle: SpeechHandle) -> list[str]:
    said = [item for item in handle.chat_items if isinstance(item, llm.ChatMessage) and item.role == "assistant"]
    return " ".join(item.text_content or "" for item in said).split()


def so_far(talk: Talk, onset: float) -> HeardOf:
    return heard_of(talk.teller.story, talk.listener, onset, time.monotonic())


async def test_real_speech_stops_it_and_what_was_heard_is_kept(
    livekit_server: LiveKitServer, models: RunningModels, story: Story
) -> None:
    async with talk_about(story, livekit_server, models, "real speech") as talk:
        handle = await talk.begin()
        onset = await say(talk, models, "Stop.")
        async with asyncio.timeout(PATIENCE):
            await handle.wait_for_playout()
            await talk.teller.turn.wait()
        assert handle.interrupted
        assert [turn.strip(".!") for turn in talk.teller.turns] == ["Stop"]
        found = so_far(talk, onset)
        assert found.silent_after is not None
        assert found.silent_after < SOON
        assert abs(len(kept(handle)) - talk.teller.story.words_at(found.place)) <= 4


async def test_uh_huh_is_no_turn_and_nothing_is_lost(
    livekit_server: LiveKitServer, models: RunningModels, story: Story
) -> None:
    async with talk_about(story, livekit_server, models, "uh-huh") as talk:
        handle = await talk.begin()
        onset = await say(talk, models, "Yeah. Okay.")
        async with asyncio.timeout(PATIENCE):
            await handle.wait_for_playout()
        assert not handle.interrupted
        assert talk.teller.turns == []
        found = so_far(talk, onset)
        assert found.silent_after is not None, "the voice was held: it could have been an interruption"
        assert found.went_on
        assert found.lost is not None
        assert abs(found.lost) < LOST
        assert len(kept(handle)) == talk.teller.story.ends[-1][1], "all of it is remembered"
