"""Quality and speed of the local STT, LLM and TTS models: `python -m tests.bench.models --out DIR`.

Writes models.json and models.png. All requests use HTTP, as in a conversation.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from tests.support.clips import Clip, clips, read_aloud
from tests.support.models import RunningModels, running_models
from tests.support.report import spread
from tests.support.speech import say, word_error_rate, words
from voice_agent.conversation.eager_stt import PAUSE
from voice_agent.conversation.first_clause import end_of_first_clause
from voice_agent.conversation.providers import END_OF_TURN
from voice_agent.settings import load

TURNS: Final = 6
"""Per conversation."""
VOICES: Final = ("piper-joe-medium", "kokoro-82m")
PROMPT: Final = (
    "You are Nova, a friendly voice assistant. Answer in one or two short spoken sentences. "
    "The user is called Ada, lives in Lisbon near the old harbour, has two cats, and likes tea. "
)
QUESTIONS: Final = ("Where do I live?", "What do I like to drink?", "How many cats do I have?", "What is my name?")
TIMEOUT: Final = 300
BUSY_ROUNDS: Final = 2


def hear(models: RunningModels, sound: bytes) -> tuple[str, float]:
    started = time.monotonic()
    answer = httpx.post(
        f"{models.base_url}/audio/transcriptions",
        files={"file": ("clip", sound)},
        data={"model": "moonshine-base", "response_format": "verbose_json"},
        timeout=TIMEOUT,
    ).raise_for_status()
    return answer.json()["text"], time.monotonic() - started


def first_clause(models: RunningModels, model: str, question: str, conversation: str) -> tuple[str, float]:
    """The first clause that can be spoken, and the seconds until it was complete."""
    started, text = time.monotonic(), ""
    body = {
        "model": model,
        "messages": [{"role": "system", "content": PROMPT}, {"role": "user", "content": question}],
        "max_tokens": 40,
        "temperature": 0,
        "stream": True,
        "prompt_cache_key": conversation,
    }
    with httpx.stream("POST", f"{models.base_url}/chat/completions", json=body, timeout=TIMEOUT) as answer:
        for line in answer.iter_lines():
            if not line.startswith("data: {"):
                continue
            choices = json.loads(line.removeprefix("data: "))["choices"]
            text += (choices[0]["delta"].get("content") or "") if choices else ""
            if (end := end_of_first_clause(text)) is not None:
                text = text[:end]
                break
    return text.strip() or "Yes.", time.monotonic() - started


def speak(models: RunningModels, voice: str, text: str) -> tuple[float, float, float]:
    """Seconds to the first sound, to the last one, and seconds of speech."""
    started, first, size = time.monotonic(), 0.0, 0
    wish = {"model": voice, "input": text, "response_format": "pcm"}
    with httpx.stream("POST", f"{models.base_url}/audio/speech", json=wish, timeout=TIMEOUT) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_raw():
            first = first or time.monotonic() - started
            size += len(chunk)
    return first, time.monotonic() - started, size / 48_000


def recognition(models: RunningModels, speech: tuple[Clip, ...]) -> dict[str, Any]:
    wrong = said = 0.0
    per_clip: dict[str, Any] = {}
    hear(models, speech[0].sound)  # warm-up: the first run of a graph plans its memory
    for clip in speech:
        text, seconds = hear(models, clip.sound)
        count = len(words(clip.said))
        rate = word_error_rate(clip.said, text)
        wrong, said = wrong + rate * count, said + count
        per_clip[clip.name] = {
            "said": clip.said.strip(),
            "heard": text,
            "wer": round(rate, 3),
            "seconds": round(seconds, 3),
        }
    return {"wer": round(wrong / said, 4), "words": int(said), "clips": per_clip}


def turn(
    models: RunningModels, llm: str, voice: str, question: bytes, expected: str, conversation: str
) -> dict[str, float]:
    """As in a conversation: STT starts at a pause, the LLM after STT and after the pause has ended the turn."""
    _, stt = hear(models, question)
    clause, thinking = first_clause(models, llm, expected, conversation)
    speaking, _, _ = speak(models, voice, clause)
    total = max(END_OF_TURN, PAUSE + stt) + thinking + speaking
    return {"stt": stt, "llm": thinking, "tts": speaking, "total": total}


def visit(models: RunningModels, llm: str, voice: str, spoken: list[bytes], number: int) -> list[dict[str, float]]:
    turns = ((number + asked) % len(spoken) for asked in range(TURNS))
    return [turn(models, llm, voice, spoken[which], QUESTIONS[which], f"visit {number}") for which in turns]


def conversations(models: RunningModels, llm: str, voice: str, spoken: list[bytes], count: int) -> dict[str, Any]:
    for number in range(count):
        first_clause(models, llm, "Hello?", f"visit {number}")  # prewarms the prompt
    processes = [psutil.Process(models.pid), *psutil.Process(models.pid).children()]
    before, started = sum(sum(process.cpu_times()[:2]) for process in processes), time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        visits = [pool.submit(visit, models, llm, voice, spoken, number) for number in range(count)]
        turns = [turn for one in visits for turn in one.result()]
    elapsed = time.monotonic() - started
    return {
        **{part: round(statistics.median(t[part] for t in turns), 3) for part in ("stt", "llm", "tts", "total")},
        "worst": round(max(t["total"] for t in turns), 3),
        "turns": len(turns),
        "cores": round((sum(sum(process.cpu_times()[:2]) for process in processes) - before) / elapsed, 2),
        "rss_mb": round(sum(process.memory_info().rss for process in processes) / 1e6),
    }


@contextmanager
def another_program(cores: int) -> Iterator[None]:
    """A program that uses every core, in a session of its own as a user would start it."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) for _ in range(cores)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def first_words(models: RunningModels, llm: str, conversation: str) -> list[float]:
    first_clause(models, llm, "Hello?", conversation)  # prewarms the prompt
    return [first_clause(models, llm, question, conversation)[1] for question in QUESTIONS * BUSY_ROUNDS]


def not_idle(models: RunningModels, llm: str) -> dict[str, Any]:
    """Seconds until the first clause, alone and beside a program that uses every core; in turns, in one run."""
    alone, beside = [], []
    for number in range(2):
        alone += first_words(models, llm, f"alone {number}")
        with another_program(os.cpu_count() or 1):
            beside += first_words(models, llm, f"beside {number}")
    ratio = statistics.median(beside) / statistics.median(alone)
    return {"alone": spread(alone, digits=2), "beside": spread(beside, digits=2), "times later": round(ratio, 2)}


def measure(llm: str, voices: list[str], counts: list[int], threads: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "llm": llm,
        "threads": threads,
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "pause": PAUSE,
        "voices": {},
    }
    for voice in voices:
        settings = {"VOICE_LLM_MODEL": llm, "VOICE_TTS_MODEL": voice, "VOICE_MODELS_THREADS": str(threads)}
        with tempfile.TemporaryDirectory() as home, running_models(Path(home), settings) as models:
            spoken = [say(q, models.base_url, model=voice, voice="alloy", rate=16_000, after=0.2) for q in QUESTIONS]
            if "stt" not in result:
                result["stt"] = recognition(models, (*clips(load().settings.cache), *read_aloud()))
                result["not idle"] = not_idle(models, llm)
            first, whole, seconds = speak(models, voice, "The quick brown fox jumps over the lazy dog today.")
            result["voices"][voice] = {
                "first_audio": round(first, 3),
                "rtf": round(whole / seconds, 3),
                "conversations": {str(n): conversations(models, llm, voice, spoken, n) for n in counts},
            }
    result["load_after"] = os.getloadavg()[0]
    return result


def plot(result: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(result["voices"]), figsize=(10, 4), sharey=True, squeeze=False)
    for axis, (voice, found) in zip(axes[0], result["voices"].items(), strict=True):
        counts = list(found["conversations"])
        base = [result["pause"]] * len(counts)
        axis.bar(counts, base, label="pause")
        for part in ("stt", "llm", "tts"):
            heights = [found["conversations"][n][part] for n in counts]
            axis.bar(counts, heights, bottom=base, label=part)
            base = [b + h for b, h in zip(base, heights, strict=True)]
        axis.set(title=voice, xlabel="conversations at once", ylabel="end of speech → first audio, median s")
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--llm", default="qwen2.5-coder-1.5b-instruct")
    parser.add_argument("--voices", nargs="+", default=list(VOICES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--conversations", type=int, nargs="+", default=[1, 2, 4])
    wish = parser.parse_args()
    wish.out.mkdir(parents=True, exist_ok=True)
    result = measure(wish.llm, wish.voices, wish.conversations, wish.threads)
    (wish.out / "models.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    plot(result, wish.out / "models.png")
    print(json.dumps(result, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
