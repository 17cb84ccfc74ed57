"""Interruption benchmark (scripts/bench.sh interruptions): sounds at the microphone while the assistant speaks.

A real room, microphone and track; voice detection and recognition are the local ones; the words are scripted. Before
(livekit's own decision) and after (ours), side by side in two rooms. Writes interruptions.json and interruptions.png.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from livekit import rtc
from livekit.agents import AgentSession, llm

from tests.support import sounds
from tests.support.aside import aside
from tests.support.heard_of import heard_of
from tests.support.livekit_server import running_livekit
from tests.support.models import running_models
from tests.support.overheard import Story, Talk, as_installed, talking
from tests.support.report import drawing, machine, publish, spread
from tests.support.sounds import ECHO, SPEECH, Sound
from voice_agent.conversation.barge_in import AttentiveAgent
from voice_agent.conversation.livekit_private import ParticipantAudioOutput
from voice_agent.conversation.speech_session import SpeechSession
from voice_agent.settings import Settings, load

STOPPED: Final = 0.3
"""Seconds of silence that count as a stop."""
WATCHED: Final = 3.0
"""Seconds after a sound in which the assistant may go on."""
ECHOES: Final = ((-20, 0.1), (-30, 0.2))


class BeforeSession(SpeechSession):
    """Options and track as they were: livekit alone decides."""

    def __init__(self, room: rtc.Room, now: SpeechSession) -> None:
        super().__init__(room, now._build, now._choices, now.may_speak)
        providers = self._providers
        self._track = ParticipantAudioOutput(  # type: ignore[assignment]
            room,
            sample_rate=24_000,
            num_channels=1,
            track_publish_options=rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE),
        )
        self.session = AgentSession(
            vad=providers.vad,
            stt=providers.stt,
            llm=providers.llm,
            tts=providers.tts,
            turn_handling={
                "turn_detection": "vad",
                "endpointing": {"min_delay": 0.3, "max_delay": 3.0},
                "interruption": {"mode": "vad"},
                "preemptive_generation": {"enabled": False},
            },
            user_away_timeout=None,
        )

    async def start(self, agent: AttentiveAgent) -> None:
        self._barge_in = None  # type: ignore[assignment]
        await super().start(agent)


def before(room: rtc.Room, settings: Settings) -> SpeechSession:
    return BeforeSession(room, as_installed(room, settings))


WAYS: Final = {"before": before, "after": as_installed}


@dataclass(frozen=True)
class Result:
    kind: str
    sound: str
    stopped: bool
    silent_after: float | None
    gap: float
    went_on: bool
    lost: float | None
    turns: list[str]
    words_heard: float | None
    words_kept: int | None


def every_sound(base_url: str, cache: Path, voices: tuple[str, ...]) -> Iterator[Sound]:
    yield from sounds.spoken(base_url, voices)
    yield from sounds.recorded(cache)
    yield from sounds.things()
    for decibels, delay in ECHOES:
        yield Sound(ECHO, f"{decibels} dB, {delay:g} s", np.array([decibels, delay], np.float32))


async def case(talk: Talk, sound: Sound, chance: random.Random) -> Result:
    if sound.kind == ECHO:  # it is there from the first word on
        talk.listener.echo = (10 ** (float(sound.samples[0]) / 20), float(sound.samples[1]))
    handle = await talk.begin()
    await talk.listener.until_loud(0.1 if sound.kind == ECHO else 2.0 + chance.random() * 2.0)
    if sound.kind == ECHO:
        onset, length = time.monotonic(), 6.0
    else:
        onset, length = await talk.listener.play(sound.samples), sound.seconds
    until = onset + length + WATCHED
    await asyncio.sleep(until - time.monotonic())
    found = heard_of(talk.teller.story, talk.listener, onset, until)
    said = [item for item in handle.chat_items if isinstance(item, llm.ChatMessage) and item.role == "assistant"]
    kept = len((said[0].text_content or "").split()) if said and handle.interrupted else None
    turns = list(talk.teller.turns)
    await talk.stop()
    return Result(
        sound.kind,
        sound.name,
        found.gap > STOPPED,
        found.silent_after,
        round(found.gap, 2),
        found.went_on,
        found.lost if found.gap else None,
        turns,
        talk.teller.story.words_at(found.place) if kept is not None else None,
        kept,
    )


async def one_way(settings: Settings, way: str, story: Story, cases: list[Sound], seed: int) -> list[Result]:
    chance = random.Random(seed)
    async with talking(settings, f"bench-{way}", story, WAYS[way]) as talk:
        await talk.begin()  # livekit by itself hears nothing in the first three seconds of speech
        await talk.listener.until_loud(3.5)
        await talk.stop()
        return [await case(talk, sound, chance) for sound in cases]


def figures(results: list[Result]) -> dict[str, Any]:
    onsets = [one.silent_after for one in results if one.silent_after is not None]
    false = [one for one in results if one.kind != SPEECH]
    resumed = [one for one in false if one.stopped and one.went_on]
    off = [abs(one.words_heard - one.words_kept) for one in results if one.words_heard and one.words_kept]
    moved = [abs(one.lost) for one in results if one.went_on and one.gap and one.lost is not None]
    rows: dict[str, Any] = {
        "n": len(results),
        "stopped": sum(one.stopped for one in results),
        "ended": sum(not one.went_on for one in results),
        "turns": sum(bool(one.turns) for one in results),
    }
    for name, values in (
        ("silent_after", onsets),
        ("gap", [one.gap for one in resumed]),
        ("lost_or_doubled", moved),
        ("words_off", off),
    ):
        if values:
            rows[name] = spread(values, digits=2)
    return rows


def summary(results: list[Result]) -> dict[str, Any]:
    kinds = dict.fromkeys(one.kind for one in results)
    return {kind: figures([one for one in results if one.kind == kind]) for kind in kinds}


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {"machine": machine(), "ways": {}}
    voices = sounds.HELD_OUT_VOICES if options.held_out else sounds.VOICES
    with tempfile.TemporaryDirectory() as home:
        models = running_models(Path(home), {"VOICE_LLM_BASE_URL": "http://127.0.0.1:9/v1"})
        async with aside(models) as model_server, aside(running_livekit()) as server:
            port = int(model_server.url.rsplit(":", 1)[1])
            settings = server.settings.model_copy(update={"models_port": port})
            story = await asyncio.to_thread(Story.spoken, model_server.base_url)
            cache = load().settings.cache
            cases = await asyncio.to_thread(lambda: [*every_sound(model_server.base_url, cache, voices)])
            cases = [one for one in cases if not options.kinds or one.kind in options.kinds][:: options.every]
            runs = [one_way(settings, way, story, cases, options.seed) for way in options.ways]
            for way, results in zip(options.ways, await asyncio.gather(*runs), strict=True):
                rounded = [_rounded(one) for one in results]
                result["ways"][way] = {"kinds": summary(results), "cases": rounded}
    return result


def _rounded(one: Result) -> dict[str, Any]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in asdict(one).items()}


def plot(result: dict[str, Any], path: Path) -> None:
    kinds = list(next(iter(result["ways"].values()))["kinds"])
    with drawing(path, 9, 5) as axes:
        width = 0.8 / len(result["ways"])
        for number, (way, found) in enumerate(result["ways"].items()):
            shares = [100 * found["kinds"][kind]["stopped"] / found["kinds"][kind]["n"] for kind in kinds]
            places = np.arange(len(kinds)) + number * width
            axes.bar(places, shares, width, label=way)
            for place, kind in zip(places, kinds, strict=True):
                row = found["kinds"][kind]
                axes.annotate(f"{row['stopped']}/{row['n']}", (place, 1), ha="center")
        axes.set_xticks(np.arange(len(kinds)) + width / 2, kinds)
        axes.set_ylabel(f"% after which the assistant was silent for more than {STOPPED:g} s")
        axes.legend()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    options.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    options.add_argument("--kinds", nargs="+", help="some kinds of sounds")
    options.add_argument("--every", type=int, default=1, help="every n-th sound")
    options.add_argument("--held-out", action="store_true", help="voices that nothing was chosen by")
    options.add_argument("--seed", type=int, default=20)
    chosen = options.parse_args()
    publish(chosen.out, "interruptions", asyncio.run(measure(chosen)), plot)


if __name__ == "__main__":
    main()
