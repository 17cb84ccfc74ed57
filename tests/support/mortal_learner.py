"""Learner processes that are killed (tests/support/learning_child.py), and the check of the facts in the end."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path

from tests.support.learning_child import AGENT, PERSON, learner
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.storage import Database

OWNER = Owner(AGENT, PERSON)


class MortalLearner:
    def __init__(self, database: Database, url: str, log: Path) -> None:
        self._database = database
        self._url = url
        self._learning = learner(database, log)
        self.told: list[str] = []

    async def live_and_be_killed(self, life: int, after: float) -> int:
        """Returns the number of durable turns of this process."""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.learning_child", self._url, str(life)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        told = [(await child.stdout.readline()).decode().strip()]  # it has started
        try:
            async with asyncio.timeout(after):
                while line := await child.stdout.readline():
                    told.append(line.decode().strip())
        except TimeoutError:
            pass
        child.kill()
        told += [line.strip() for line in (await child.stdout.read()).decode().splitlines()]
        await child.wait()
        self.told += [turn for turn in told if turn]
        return len(told)

    async def is_whole(self) -> None:
        """Checks that every durable turn is learned from once and has two facts. A turn that was open when its process
        was killed is not learned from until it is adopted, since its end was not heard."""
        store = FactStore(self._database)
        before = None
        while (standing := await store.standing(OWNER)) != before:
            before = standing
            await self._learning.run_due()
        names = Counter(fact.text.split()[-1].strip(".") for fact in await store.of_person(AGENT, PERSON))
        assert {name: names[name] for name in self.told} == dict.fromkeys(self.told, 2)
        assert max(names.values()) == 2
        assert standing.parked == 0
