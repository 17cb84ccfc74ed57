"""Failures of tasks and effects (conversation/criticality.py), once each in a live room: the person goes on being heard
and answered, or gets a named error. A sample; tests/nightly walks the whole list, in each way to fail."""

from __future__ import annotations

import pytest

from tests.support.livekit_server import LiveKitServer
from tests.support.walk import AT_ONCE, SAMPLE, Walked, check, walk_all
from tests.support.wounds import Wound
from voice_agent.conversation.criticality import RULES
from voice_agent.lifecycle import effects

# A cancelled recognition of livekit-agents may be collected in the middle of its last await.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <coroutine object RecognizeStream:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def walked(livekit_server: LiveKitServer, tmp_path_factory: pytest.TempPathFactory) -> Walked:
    return walk_all(livekit_server.settings, tmp_path_factory.mktemp("walk"), SAMPLE)


@pytest.mark.parametrize("wound", SAMPLE, ids=str)
def test_the_person_is_served_all_the_same(walked: Walked, wound: Wound) -> None:
    check(walked, wound)


def test_what_can_only_raise_is_an_effect_of_the_list() -> None:
    assert all(hasattr(effects, name) for name in AT_ONCE)
    assert set(RULES) >= AT_ONCE
