"""Whole real system with an assistant that knows one fact, and a list of the answers that were heard."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psutil

from tests.support.aside import aside
from tests.support.caller import Caller, ControlApi, control_api
from tests.support.eventually import eventually
from tests.support.letta_agents import make_agent, spoken_conversations
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack, running_stack
from voice_agent.stack import state

Once = Callable[[int], Awaitable[dict[str, Any]]]
VOICE: Final = "piper-joe-medium"
"""The cheapest one: the presence and answers of agents are tested, not the sound quality."""
QUESTION: Final = "What is the name of my sailing boat?"
NUMBERED: Final = f"{QUESTION} Number"
"""Beginning of a typed question. Spoken ones have no number, since STT may mishear it."""
FACT: Final = "The person's sailing boat is called Marigold."
BOAT: Final = Rule(user="boat", system=r"boat is called (\w+)", reply=r"It is called \1.")


@dataclass
class House:
    stack: Stack
    api: ControlApi
    agent: str
    letta_agent: str
    asked: int = 0
    heard: list[str] = field(default_factory=list)
    """Every question whose answer was heard to its end."""

    async def visitor(self) -> Caller:
        caller = await self.api.come_in(agent_id=self.agent)
        await caller.greeting()
        return caller

    async def answers(self, caller: Caller) -> None:
        self.asked += 1
        question = f"{NUMBERED} {self.asked}."
        assert "Marigold" in await caller.ask(question), caller.seen
        self.heard.append(question)

    def service(self, name: str) -> int:
        process = next(service.process for service in self._services() if service.name == name)
        assert process is not None
        return process.pid

    def workers_ready(self) -> list[bool]:
        return [service.phase is state.Phase.READY for service in self._services() if service.name.startswith("worker")]

    def worker_of(self, job: int) -> int:
        """The pid of the worker that started this job process."""
        ancestors = {process.pid for process in psutil.Process(job).parents()}
        return next(
            service.process.pid for service in self._services() if service.process and service.process.pid in ancestors
        )

    def _services(self) -> list[state.ServiceState]:
        running = state.load(self.stack.home)
        assert running is not None
        return running.services

    def assert_letta_holds_it_all(self) -> None:
        """Checks in Letta that every answered question is stored once and in order."""

        def held() -> list[list[str]]:
            return [
                [text for role, text in conversation if role == "user_message" and text.startswith(NUMBERED)]
                for conversation in spoken_conversations(self.stack, self.letta_agent)
            ]

        asked = set(self.heard)
        found = eventually(held, lambda stored: asked <= {text for one in stored for text in one}, within=120)
        counts = Counter(text for one in found for text in one)
        if lost := sorted(asked - set(counts)):
            pending = self.stack.command("memory", "pending")
            raise AssertionError(f"not in Letta: {lost}; {pending.stdout}{pending.stderr}")
        assert max(counts.values(), default=1) == 1, f"doubled: {[text for text, n in counts.items() if n > 1]}"
        places = {text: place for place, text in enumerate(self.heard)}
        for one in found:
            order = [places[text] for text in one if text in places]
            assert order == sorted(order), f"out of order: {one}"


@asynccontextmanager
async def house(**settings: str) -> AsyncIterator[House]:
    async with aside(running_stack(VOICE_TTS_MODEL=VOICE, **settings)) as stack:
        stack.llm.script(BOAT)
        letta_agent = await asyncio.to_thread(make_agent, stack, "Soak", FACT)
        async with control_api(stack) as api:
            saved = {"name": "Soak", "letta_agent_id": letta_agent, "config": {"greeting": "Hi."}}
            agent = (await api.http.post("/agents", json=saved)).raise_for_status().json()["id"]
            home = House(stack, api, agent, letta_agent)
            yield home
        await asyncio.to_thread(home.assert_letta_holds_it_all)
        replayed = await asyncio.to_thread(stack.command, "replay", str(stack.settings.reconnect_log))
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
