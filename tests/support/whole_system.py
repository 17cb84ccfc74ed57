"""Default system of a new user, with the default local models: newly started, or one that already runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.support.many_facts import put_facts
from tests.support.stack import run_command, running_stack
from voice_agent import settings as settings_module
from voice_agent.memory.facts.store import Owner
from voice_agent.providers import endpoints
from voice_agent.settings import Settings
from voice_agent.stack import state
from voice_agent.storage import Database

BACK_WITHIN = 900.0


@dataclass(frozen=True)
class Machine:
    """Access to the processes and files of a system on this machine."""

    home: Path
    environment: dict[str, str]

    @property
    def settings(self) -> Settings:
        return settings_module.load(self.environment, self.home).settings

    def restart(self) -> None:
        done = run_command(self.environment, "restart", timeout=BACK_WITHIN)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    @contextmanager
    def without_letta(self) -> Iterator[None]:
        """Suspends Letta: it exists and does not answer."""
        running = state.load(self.home)
        assert running is not None
        letta = next(service.process for service in running.services if service.name == "letta")
        process = letta.process() if letta else None
        assert process is not None, "no Letta of ours is running"
        stopped = [process, *process.children(recursive=True)]
        for one in stopped:
            one.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for one in stopped:
                with suppress(psutil.NoSuchProcess):
                    one.send_signal(signal.SIGCONT)

    async def add_facts(self, letta_agent_id: str, person_id: str, texts: Sequence[str]) -> None:
        """Inserts rows directly into the table."""
        database = Database(self.settings.effective_database_url)
        try:
            await put_facts(database, Owner(letta_agent_id, person_id), texts)
        finally:
            await database.close()

    def make_assistant(self, name: str, persona: str, **blocks: str) -> str:
        """An assistant without facts, unlike the samples. Returns its id in Letta."""
        settings = self.settings
        known = {"persona": persona, "human": ""} | blocks
        answer = httpx.post(
            f"{settings.effective_letta_url}/v1/agents/",
            headers={"Authorization": f"Bearer {settings.letta_api_key}"},
            timeout=60.0,
            json={
                "name": name,
                "agent_type": "letta_v1_agent",
                "model": f"vllm/{endpoints.llm(settings).model}",
                "memory_blocks": [{"label": label, "value": value} for label, value in known.items()],
            },
        )
        return str(answer.raise_for_status().json()["id"])


@dataclass(frozen=True)
class WholeSystem:
    url: str
    machine: Machine | None
    """None if only its URL is known."""


@contextmanager
def whole_system(url: str = "", home: Path | None = None) -> Iterator[WholeSystem]:
    """With `home`, or with `url` only, a running system is used and left running."""
    if home is not None:
        machine, found = attached(home)
        yield WholeSystem(url or found, machine)
    elif url:
        yield WholeSystem(url, None)
    else:
        defaults = {"VOICE_LLM_BASE_URL": "", "VOICE_LLM_MODEL": "", "VOICE_WORKER_CAPACITY": "0"}
        with running_stack(**defaults) as stack:
            yield WholeSystem(stack.url, Machine(stack.home, stack.environment))


def attached(home: Path) -> tuple[Machine, str]:
    running = state.load(home)
    if running is None:
        raise SystemExit(f"Nothing is running in {home}.")
    return Machine(home, dict(os.environ) | {"VOICE_HOME": str(home)} | running.settings), running.url
