"""End of turns by eot-bench's method (scripts/bench.sh turns): false cut-offs against dead air, over three knobs.

Writes turns.json and turns.png. Each pause of each turn of tests/support/conversations.py is judged once by each
detector; then every policy of the grid is played through. `--held-out` looks at the turns that no knob was chosen by.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
from livekit.local_inference import EOT, EOT_MAX_SAMPLES
from livekit.plugins.silero import onnx_model

from tests.support.conversations import Turn, turns
from tests.support.pauses import NEVER, WINDOW, Outcome, Pause, Policy, outcome, room, spoken
from tests.support.report import drawing, machine, publish
from voice_agent.conversation.providers import END_OF_TURN
from voice_agent.conversation.turn_end import LIMIT, SURE
from voice_agent.downloads import fetch
from voice_agent.models.audio import RECOGNITION_RATE, Samples
from voice_agent.models.catalog import SMART_TURN
from voice_agent.models.onnx import Cancellation
from voice_agent.models.turn_end import SmartTurn
from voice_agent.settings import load

LOOK: Final = 0.2
"""Seconds after the voice fell silent at which livekit asks a detector."""
AFTER: Final = 3.0
"""Seconds of silence after a turn."""
THRESHOLDS: Final = tuple(round(0.05 * number, 2) for number in range(1, 20))
DONE: Final = (0.3, 0.4, 0.5, 0.6)
LIMITS: Final = (0.6, 0.8, 1.0, 1.2, 1.5, 2.0)
SILENCES: Final = (0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0)
SILENCE, SMART, MINI, BOTH = "silence", "smart-turn v3.2", "livekit v1-mini", "mean of the two"

Detector = Callable[[Samples], float]


def detectors(cache: Path) -> dict[str, Detector]:
    model, mini = SmartTurn(fetch(SMART_TURN.files["model"], cache)), EOT()

    def smart(sound: Samples) -> float:
        return model.probability(sound, Cancellation())

    def small(sound: Samples) -> float:
        return mini.predict((np.clip(sound[-EOT_MAX_SAMPLES:], -1.0, 1.0) * 32767.0).astype(np.int16))

    return {SMART: smart, MINI: small}


def pauses(turn: Turn, judges: dict[str, Detector], session: Any) -> Iterator[Pause]:
    sound = np.concatenate([turn.sound, room(turn.sound, AFTER)])
    vad = onnx_model.OnnxModel(onnx_session=session, sample_rate=RECOGNITION_RATE)
    heard = [float(vad(sound[start : start + WINDOW])) for start in range(0, len(sound) - WINDOW + 1, WINDOW)]
    stretches = [stretch for stretch in spoken(heard) if stretch[0] < turn.ends + 0.1]
    for number, (_, end) in enumerate(stretches):
        last = number == len(stretches) - 1
        lasts = AFTER if last else stretches[number + 1][0] - end
        probability = {}
        if lasts >= LOOK:
            known = sound[: int((end + LOOK) * RECOGNITION_RATE)]
            probability = {name: judge(known) for name, judge in judges.items()}
            probability[BOTH] = sum(probability.values()) / len(probability)
        yield Pause(turn.name, end, lasts, last, probability)


def policies() -> Iterator[Policy]:
    for silence in SILENCES:
        yield Policy(SILENCE, NEVER, silence, silence)
    for detector, threshold, done, limit in product((SMART, MINI, BOTH), THRESHOLDS, DONE, LIMITS):
        if limit > done:
            yield Policy(detector, threshold, done, limit)


def frontier(outcomes: list[Outcome], by: Callable[[Outcome], float]) -> list[Outcome]:
    """Nothing else of the same detector is as soon and cuts less."""
    best: list[Outcome] = []
    for one in sorted(outcomes, key=lambda one: (by(one), one.pauses_cut, one.turns_cut, float(np.mean(one.waits)))):
        if not best or one.pauses_cut < best[-1].pauses_cut:
            best.append(one)
    return best


def row(one: Outcome) -> dict[str, Any]:
    policy = one.policy
    return {
        "detector": policy.detector,
        "threshold": None if policy.detector == SILENCE else policy.threshold,
        "done": policy.done,
        "limit": policy.limit,
        "pauses cut": one.pauses_cut,
        "turns cut": one.turns_cut,
        "seconds": {
            "p50": round(one.median, 2),
            "p95": round(float(np.percentile(one.waits, 95)), 2),
            "mean": round(float(np.mean(one.waits)), 2),
        },
    }


def measure(held_out: bool) -> dict[str, Any]:
    cache = load().settings.cache
    judges, session = detectors(cache), onnx_model.new_inference_session(force_cpu=True)
    found = [pause for turn in turns(cache) if turn.held_out == held_out for pause in pauses(turn, judges, session)]
    named = {
        "today: 0.4 s of silence": Policy(SILENCE, NEVER, END_OF_TURN, END_OF_TURN),
        "chosen": Policy(SMART, SURE, END_OF_TURN, LIMIT),
    }
    result: dict[str, Any] = {
        "machine": machine(),
        "held out": held_out,
        "n": {
            "turns": sum(pause.ends for pause in found),
            "pauses of 0.2 s or more inside": sum(not pause.ends and pause.lasts >= LOOK for pause in found),
            "pauses of more than 0.4 s inside": sum(not pause.ends and pause.lasts > END_OF_TURN for pause in found),
        },
        "named": {name: row(outcome(found, policy)) for name, policy in named.items()},
        "pauses": [
            {"turn": one.turn, "at": round(one.at, 2), "lasts": round(one.lasts, 2), "ends": one.ends}
            | {name: round(value, 3) for name, value in one.probability.items()}
            for one in found
        ],
    }
    if not held_out:  # a curve over the held-out turns would choose by them
        every = [outcome(found, policy) for policy in policies()]
        for by, key in ((_median, "by median"), (_mean, "by mean")):
            result[key] = {
                name: [row(one) for one in frontier([one for one in every if one.policy.detector == name], by)]
                for name in (SILENCE, SMART, MINI, BOTH)
            }
    return result


def _median(one: Outcome) -> float:
    return one.median


def _mean(one: Outcome) -> float:
    return float(np.mean(one.waits))


def plot(result: dict[str, Any], path: Path) -> None:
    with drawing(path, 9, 5) as axes:
        for name, rows in result.get("by mean", {}).items():
            axes.plot(
                [one["seconds"]["mean"] for one in rows],
                [one["pauses cut"] for one in rows],
                "o-",
                label=f"{name}, mean",
            )
        for name, one in result["named"].items():
            axes.plot(one["seconds"]["p50"], one["pauses cut"], "kx")
            axes.annotate(f" {name}, median", (one["seconds"]["p50"], one["pauses cut"]))
        axes.set_xlabel("seconds of silence before a turn ends")
        axes.set_ylabel(f"pauses cut, of {result['n']['pauses of 0.2 s or more inside']} of 0.2 s or more")
        axes.set_ylim(bottom=-0.5)
        axes.legend()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    options.add_argument("--held-out", action="store_true", help="the turns that no knob was chosen by")
    chosen = options.parse_args()
    publish(chosen.out, "turns_held_out" if chosen.held_out else "turns", measure(chosen.held_out), plot)


if __name__ == "__main__":
    main()
