"""Latency benchmark (scripts/bench.sh latency): from the last sound of a question to the first sound of the answer, as
heard in the room.

All is real and local: microphone, WebRTC, voice detection, STT, LLM, TTS. Writes latency.json and latency.png.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from livekit import rtc
from numpy.typing import NDArray

from tests.support.aside import aside
from tests.support.caller import MICROPHONE_RATE, Caller, ControlApi, control_api
from tests.support.report import draw_spreads, machine, publish, spread
from tests.support.speech import samples_of, say
from tests.support.stack import Stack, running_stack
from voice_agent.contracts import LogEvent
from voice_agent.stack import state

VOICES: Final = ("piper-joe-medium", "kokoro-82m")
QUESTIONS: Final = (
    "What is my cat called?",
    "What do I like to drink in the evening?",
    "Which instrument do I play?",
    "Where do I want to travel?",
)
"""Questions that the sample agent can answer."""
WHO: Final = "Juniper"
LOUD: Final = 0.01
PAUSE: Final = 1.5
"""Seconds of silence after which an answer counts as finished."""
PATIENCE: Final = 30.0
SILENCE: Final = np.zeros(MICROPHONE_RATE, np.float32)


class Person:
    """Caller who notes when the assistant's voice is audible."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._loud = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def at(cls, api: ControlApi, agent: str) -> AsyncIterator[Person]:
        person = cls(await api.come_in(agent_id=agent))
        await person.caller.greeting()
        track = next(iter(person.caller.agents[0].track_publications.values())).track
        assert track is not None
        stream = rtc.AudioStream.from_track(track=track, sample_rate=16_000, num_channels=1, frame_size_ms=20)
        listening = asyncio.create_task(person._listen(stream), name="bench:listen")
        try:
            yield person
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            await stream.aclose()
            await person.caller.leave()

    async def _listen(self, stream: rtc.AudioStream) -> None:
        async for event in stream:
            samples = np.frombuffer(event.frame.data, np.int16).astype(np.float32) / 32768.0
            if np.sqrt((samples**2).mean()) > LOUD:
                self._loud.set()

    async def quiet(self) -> None:
        """Waits until the assistant has been silent for PAUSE seconds."""
        while True:
            self._loud.clear()
            try:
                async with asyncio.timeout(PAUSE):
                    await self._loud.wait()
            except TimeoutError:
                return

    async def ask(self, question: NDArray[np.float32]) -> float | None:
        """Seconds from the last sound of the question to the first sound of the answer; None without an answer."""
        await self.caller.say(question)
        await self.caller.said_all()
        ended = time.monotonic()
        self._loud.clear()
        silence = asyncio.create_task(self._silence(), name="bench:silence")
        try:
            async with asyncio.timeout(PATIENCE):
                await self._loud.wait()
            return time.monotonic() - ended
        except TimeoutError:
            return None
        finally:
            silence.cancel()
            await asyncio.wait([silence])

    async def _silence(self) -> None:
        while True:
            await self.caller.say(SILENCE)


async def visit(
    api: ControlApi, agent: str, questions: list[NDArray[np.float32]], first: int, count: int
) -> list[float | None]:
    async with Person.at(api, agent) as person:
        waits = []
        for number in range(count):
            await person.quiet()
            waits.append(await person.ask(questions[(first + number) % len(questions)]))
        await person.quiet()
        return waits


def processes(stack: Stack) -> list[psutil.Process]:
    running = state.load(stack.home)
    assert running is not None
    supervisor = psutil.Process(running.supervisor.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def used(stack: Stack) -> tuple[float, float]:
    """CPU seconds so far, and RSS in megabytes."""
    seconds = size = 0.0
    for process in processes(stack):
        try:
            times, memory = process.cpu_times(), process.memory_info()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system
        size += memory.rss / 1e6
    return seconds, size


def stations(log: Path, since: int) -> dict[str, dict[str, float]]:
    """Times per stage, from the system's own log."""
    with log.open() as lines:
        lines.seek(since)
        timed = [line["fields"] for line in map(json.loads, lines) if line["event"] == LogEvent.TURN_TIMED]
    names = dict.fromkeys(name for fields in timed for name in fields if name.endswith("_ms"))
    return {name: spread([fields[name] for fields in timed if name in fields]) for name in names}


async def talk(
    stack: Stack, api: ControlApi, agent: str, questions: list[NDArray[np.float32]], count: int, asked: int
) -> Any:
    log = stack.settings.reconnect_log
    before = log.stat().st_size if log.exists() else 0
    cpu, _ = used(stack)
    began = time.monotonic()
    visits = await asyncio.gather(*(visit(api, agent, questions, number, asked) for number in range(count)))
    elapsed = time.monotonic() - began
    now, size = used(stack)
    waits = [wait for waits in visits for wait in waits]
    heard = [wait for wait in waits if wait is not None]
    return {
        "asked": len(waits),
        "never answered": len(waits) - len(heard),
        "seconds": spread(heard, digits=2) if heard else None,
        "stations": stations(log, before),
        "cores": round((now - cpu) / elapsed, 2),
        "rss_mb": round(size),
    }


async def measure(voices: list[str], counts: list[int], asked: int) -> dict[str, Any]:
    result: dict[str, Any] = {"machine": machine(), "voices": {}}
    for voice in voices:
        llm_endpoint = {"VOICE_LLM_BASE_URL": "", "VOICE_LLM_MODEL": "", "VOICE_TTS_MODEL": voice}
        async with aside(running_stack(**llm_endpoint)) as stack, control_api(stack) as api:
            known = (await api.http.get("/agents")).json()["agents"]
            agent = next(one["id"] for one in known if one["name"] == WHO)
            spoken = [
                await asyncio.to_thread(say, q, stack.settings.models_url, model=voice, voice="alloy")
                for q in QUESTIONS
            ]
            questions = [trimmed(samples_of(sound)) for sound in spoken]
            result["voices"][voice] = {str(n): await talk(stack, api, agent, questions, n, asked) for n in counts}
    return result


def trimmed(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    loud = np.flatnonzero(np.abs(sound) > LOUD)
    return sound[loud[0] : loud[-1]]


def plot(result: dict[str, Any], path: Path) -> None:
    rows = {
        f"{voice}, {count} at once": one["seconds"]
        for voice, found in result["voices"].items()
        for count, one in found.items()
        if one["seconds"]
    }
    draw_spreads(rows, path, "seconds from the end of speech to the first sound of the answer")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    options.add_argument("--voices", nargs="+", default=list(VOICES))
    options.add_argument("--conversations", type=int, nargs="+", default=[1, 2, 4])
    options.add_argument("--questions", type=int, default=12, help="asked in each conversation")
    chosen = options.parse_args()
    figures = asyncio.run(measure(chosen.voices, chosen.conversations, chosen.questions))
    publish(chosen.out, "latency", figures, plot)


if __name__ == "__main__":
    main()
