"""Turn-end detector of an assistant against the real model server, which serves nothing else here."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.clips import clips
from tests.support.models import RunningModels, running_models
from voice_agent.conversation.turn_end import SURE, TurnEndDetector
from voice_agent.models.audio import decode, pcm16
from voice_agent.providers.local_server import PCM, TURN_END
from voice_agent.settings import load

ELSEWHERE = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "VOICE_EMBEDDING_BASE_URL": "http://127.0.0.1:9/v1"}
SECOND = 32_000


@pytest.fixture(scope="module")
def only_turns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningModels]:
    """A detector that other providers' assistants use, too."""
    with running_models(tmp_path_factory.mktemp("turns"), ELSEWHERE) as running:
        yield running


async def test_a_whole_sentence_is_over_and_half_of_it_is_not(only_turns: RunningModels) -> None:
    sentence = next(clip for clip in clips(load().settings.cache) if clip.name == "61-70968-0000.flac")
    pcm = pcm16(decode(sentence.sound))
    detector = TurnEndDetector(only_turns.base_url, deadline=20.0)
    try:
        assert await detector.probability(pcm) > SURE
        assert await detector.probability(pcm[: int(2.0 * SECOND)]) < SURE
    finally:
        await detector.aclose()


@pytest.mark.parametrize("body", [b"", b"odd", bytes(31 * SECOND)])
def test_what_is_no_speech_is_refused(only_turns: RunningModels, body: bytes) -> None:
    answer = httpx.post(f"{only_turns.base_url}{TURN_END}", content=body, headers={"content-type": PCM})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"


def test_a_page_of_another_site_cannot_ask(only_turns: RunningModels) -> None:
    answer = httpx.post(
        f"{only_turns.base_url}{TURN_END}", content=bytes(SECOND), headers={"content-type": "text/plain"}
    )
    assert answer.status_code == 415
