"""Memory benchmark (scripts/bench.sh memory): its cost for a conversation, on a real Letta with an instant LLM.

Writes memory.json and memory.png: loading a snapshot, the first word by each reply path at 1 and 8 conversations, and
how fast turns become durable and reach Letta.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livekit.agents import llm
from livekit.plugins import openai

from tests.support.aside import aside
from tests.support.letta_server import RealLetta
from tests.support.report import draw_spreads, machine, publish, spread
from tests.support.scripted_llm import MODEL, Rule
from tests.support.stack import Stack, running_stack
from voice_agent.contracts import AgentBinding
from voice_agent.memory.access import Memory
from voice_agent.memory.audience import Listener
from voice_agent.memory.drainer import Drainer
from voice_agent.memory.homes import Homes
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.model import Turn
from voice_agent.memory.prompt import build_prompt
from voice_agent.memory.threads import Threads
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage import Database, upgrade

BLOCKS: Final = {"persona": "I am Ada, calm and brief. " * 20, "human": "They live in Lisbon and have two cats. " * 40}
QUESTION: Final = "What do you know about me?"
OWNER: Final = Listener.of("owner", {})
TURNS: Final = 8
"""Per conversation."""
THREADS: Final = 5


@dataclass(frozen=True)
class Bench:
    stack: Stack
    real: RealLetta
    database: Database
    letta: LettaClient
    memory: Memory
    agent: str
    home: Path


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    async with aside(running_stack()) as stack:
        stack.llm.script(Rule(user=".", reply="You live in Lisbon."))
        real = RealLetta(stack)
        agent = await asyncio.to_thread(real.add_agent, "Bench", BLOCKS)
        letta = LettaClient(stack.settings, timeout=60.0)
        with tempfile.TemporaryDirectory() as home:
            database = Database(f"sqlite+aiosqlite:///{home}/voice.db")
            await upgrade(database)
            try:
                yield Bench(stack, real, database, letta, Memory(database, letta), agent, Path(home))
            finally:
                await letta.close()
                await database.close()


def figures(seconds: list[float]) -> dict[str, float]:
    """Spread in milliseconds."""
    return spread([1000 * second for second in seconds], digits=1)


async def timed(work: Awaitable[Any]) -> float:
    began = time.monotonic()
    await work
    return time.monotonic() - began


async def loading(at: Bench, times: int = 200) -> dict[str, Any]:
    async def once() -> None:
        assert (await at.memory.load(at.agent, 10.0, OWNER)).fresh

    await once()
    alone = [await timed(once()) for _ in range(times)]
    together = [one for _ in range(times // 8) for one in await asyncio.gather(*(timed(once()) for _ in range(8)))]
    return {"alone": figures(alone), "8 at once": figures(together)}


FirstWord = Callable[[str, str], Awaitable[float]]
"""Function of conversation and turn that returns the seconds to the first word."""


async def first_words(at: Bench) -> dict[str, Any]:
    llm_endpoint = openai.LLM(model=MODEL, base_url=at.stack.llm.base_url, api_key="none")
    binding = AgentBinding(agent_id=at.agent, letta_agent_id=at.agent, name="Bench")
    snapshot = (await at.memory.load(at.agent, 10.0, OWNER)).snapshot
    assert snapshot is not None

    async def by_prompt(_conversation: str, _turn: str) -> float:
        began = time.monotonic()
        context = llm.ChatContext.empty()
        context.add_message(role="system", content=build_prompt(binding, snapshot).text)
        context.add_message(role="user", content=QUESTION)
        async with llm_endpoint.chat(chat_ctx=context) as stream:
            async for chunk in stream:
                if chunk.delta and chunk.delta.content:
                    return time.monotonic() - began
        raise AssertionError("no word")

    async def by_letta(conversation: str, turn: str) -> float:
        began, first = time.monotonic(), 0.0
        async for words in at.letta.reply(conversation, turn, QUESTION):  # to its end, without an interruption
            if words and not first:
                first = time.monotonic() - began
        assert first, "no word"
        return first

    paths: dict[str, FirstWord] = {"hybrid": by_prompt, "letta": by_letta}
    found = {
        f"{name}, {count} at once": figures(await conversations(at, path, count))
        for name, path in paths.items()
        for count in (1, 8)
    }
    await llm_endpoint.aclose()
    return found


async def conversations(at: Bench, path: FirstWord, count: int) -> list[float]:
    """Seconds to the first word of every turn."""

    async def one(number: int) -> list[float]:
        conversation = await at.letta.create_conversation(at.agent)
        return [await path(conversation, f"{count}-{number}-{turn}") for turn in range(TURNS)]

    await one(-1)
    return [second for seconds in await asyncio.gather(*map(one, range(count))) for second in seconds]


async def outbox(at: Bench, turns: int = 200) -> dict[str, Any]:
    threads = Threads(at.database)
    for thread in range(THREADS):
        await threads.ensure(f"thread-{thread}", at.agent)

    async def durable(number: int) -> None:
        turn = Turn(f"o{number}", f"thread-{number % THREADS}", "session", at.agent, 1, f"question {number}")
        await at.memory.outbox.open_turn(turn)
        await at.memory.outbox.finish_turn(turn.turn_id, f"answer {number}", interrupted=False)

    written = [await timed(durable(number)) for number in range(turns)]
    log = ReconnectLog(at.home / "log.jsonl", "bench")
    drainer = Drainer(at.memory.outbox, threads, Homes(at.database, at.letta), at.letta, log)
    began = time.monotonic()
    while await at.memory.outbox.threads_with_work():
        trouble = await drainer.drain_once()
        assert trouble is None, trouble
    return {
        "durable": figures(written),
        "into Letta, turns a second": round(turns / (time.monotonic() - began), 1),
    }


async def measure() -> dict[str, Any]:
    async with bench() as at:
        return {
            "machine": machine(),
            "snapshot": await loading(at),
            "first word": await first_words(at),
            "outbox": await outbox(at),
        }


def plot(result: dict[str, Any], path: Path) -> None:
    rows = {f"{part}: {name}": found for part in ("snapshot", "first word") for name, found in result[part].items()}
    rows["turn durable"] = result["outbox"]["durable"]
    draw_spreads(rows, path, "milliseconds", scale="log")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    publish(options.parse_args().out, "memory", asyncio.run(measure()), plot)


if __name__ == "__main__":
    main()
