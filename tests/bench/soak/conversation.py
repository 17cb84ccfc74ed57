"""Soak pieces in long-lived rooms: cycles, rejoins at random moments, ten rooms at once."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from difflib import get_close_matches
from typing import Any, Final

import numpy as np
import psutil
from numpy.typing import NDArray

from tests.bench.soak.house import QUESTION, VOICE, House, Once, house
from tests.support.caller import Caller
from tests.support.crowd import WORDS, crowd, heard_words
from tests.support.speech import samples_of, say
from voice_agent.contracts import AgentAttribute

VOICE_EVERY: Final = 5
WARM_AFTER: Final = 10
AT_ONCE: Final = 5
MOST_GROWTH_MB: Final = 5.0


@asynccontextmanager
async def cycles(_seed: int) -> AsyncIterator[Once]:
    async with house() as home:
        caller = await home.visitor()
        sound = await asyncio.to_thread(say, QUESTION, home.stack.settings.models_url, model=VOICE, voice="alloy")
        question = samples_of(sound)
        who, job = caller.agents[0].identity, psutil.Process(int(caller.attribute(AgentAttribute.PID)))
        warm: list[float] = []

        async def once(number: int) -> dict[str, Any]:
            nonlocal caller
            spoken = number % VOICE_EVERY == 0
            await (aloud(home, caller, question) if spoken else home.answers(caller))
            await caller.leave()
            began = time.monotonic()
            caller = await home.api.come_back(caller)
            await caller.greeting()
            seconds = time.monotonic() - began
            assert [agent.identity for agent in caller.agents] == [who], "another agent"
            assert len(caller.agents[0].track_publications) == 1, "a track too many"
            warm.append(round(job.memory_info().rss / 2**20, 1))
            grown = growth(warm)
            assert grown <= MOST_GROWTH_MB, f"{grown:.1f} MB more than after ten cycles"
            return {
                "seconds": round(seconds, 2),
                "grown_mb": round(grown, 1),
                "threads": job.num_threads(),
                "files": job.num_fds(),
                "spoken": spoken,
            }

        yield once


def growth(sizes: list[float]) -> float:
    """Growth since the first ten cycles, of medians, since one reading may be taken during speech."""
    warm = sizes[WARM_AFTER:]
    return statistics.median(warm[-AT_ONCE:]) - statistics.median(warm[:AT_ONCE]) if len(warm) > AT_ONCE else 0.0


async def aloud(home: House, caller: Caller, question: NDArray[np.float32]) -> None:
    """Asks by voice, and transcribes the answer with our own STT."""
    async with caller.ears() as heard:
        already = len(caller.seen.captions)
        await caller.say(question)
        await caller.until(lambda: len(caller.seen.captions) > already, "an answer to a spoken question")
        said = await heard_words(home.stack, heard, "called")
    # STT may spell a name differently.
    assert get_close_matches("marigold", said, cutoff=0.8), f"heard {said}, captions {caller.seen.captions}"


@asynccontextmanager
async def rejoins(seed: int) -> AsyncIterator[Once]:
    async with house() as home:
        caller = await home.visitor()
        draw = random.Random(seed)

        async def once(_number: int) -> dict[str, Any]:
            nonlocal caller
            await caller.hang_up()
            await asyncio.sleep(draw.uniform(0.0, 0.4))  # a random moment of the reset
            began = time.monotonic()
            caller = await home.api.come_back(caller)
            await caller.greeting()
            seconds = time.monotonic() - began
            await home.answers(caller)
            assert len(caller.seen.captions) == 2, f"greeted twice: {caller.seen}"
            return {"seconds": round(seconds, 2)}

        yield once


@asynccontextmanager
async def crowds(_seed: int) -> AsyncIterator[Once]:
    async with house(VOICE_WORKER_CAPACITY=str(len(WORDS))) as home:

        async def once(_number: int) -> dict[str, Any]:
            began = time.monotonic()
            await crowd(home.stack, home.api, home.agent, WORDS)
            return {"seconds": round(time.monotonic() - began, 1)}

        yield once
