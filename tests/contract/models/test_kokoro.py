"""Kokoro in two halves: the same sound as the whole model, without the silence that would be trimmed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from voice_agent.downloads import fetch_all
from voice_agent.models import kokoro_graph as graph
from voice_agent.models.catalog import KOKORO
from voice_agent.models.kokoro import AROUND, spoken
from voice_agent.models.onnx import Cancellation, open_session, run
from voice_agent.settings import load


@pytest.fixture(scope="module")
def model() -> Path:
    return fetch_all([KOKORO.files["model"]], load().settings.cache)[0]


def test_two_halves_make_the_very_same_sound(model: Path) -> None:
    style = np.linspace(-0.1, 0.1, 256, dtype=np.float32)[np.newaxis]
    tokens = np.array([[0, 50, 83, 54, 156, 31, 0]], np.int64)
    text = {"tokens": tokens, "style": style, "speed": np.ones(1, np.float32)}
    whole = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).run(None, text)[0]

    first, second = (open_session(half, 1) for half in graph.halves(model))
    sounds, pitch, loudness = run(first, text, Cancellation())
    plan = {graph.SOUNDS: sounds, graph.PITCH: pitch, graph.LOUDNESS: loudness, "style": style}
    made = run(second, plan, Cancellation())[0]

    assert sounds.shape[2] * 2 == pitch.shape[1] == loudness.shape[1]
    np.testing.assert_array_equal(made, whole)


@pytest.mark.parametrize(
    ("loudness", "heard"),
    [
        ([-9.0] * 20 + [3.0] * 10 + [-9.0] * 20, slice(10 - AROUND, 15 + AROUND)),
        ([-9.0] * 9 + [3.0] + [-9.0] * 30 + [3.0] + [-9.0], slice(4 - AROUND, 21 + AROUND)),
        ([-9.0, 3.0, 3.0, -9.0], slice(0, 2 + AROUND)),
        ([-9.0] * 6, slice(0, 3)),
    ],
)
def test_what_is_silent_at_both_ends_is_left_out(loudness: list[float], heard: slice) -> None:
    assert spoken(np.array(loudness, np.float32)) == heard
