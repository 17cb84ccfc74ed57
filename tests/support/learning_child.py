"""Process that adds turns and learns from them until it is killed: `python -m tests.support.learning_child URL LIFE`.

Prints the id of each turn once it is durable. Every turn holds two facts that no other turn holds.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
from pathlib import Path

from voice_agent.memory.facts.learner import Learner
from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage import Database

PERSON = "browser:robin"
AGENT = "agent-1"


class TwoFacts:
    """Proposer of two facts per turn; the statement and both facts name the turn."""

    async def propose(self, statement: str, before: str = "") -> list[str]:
        name = statement.split()[-1].strip(".")
        return [f"The user's dog is named {name}.", f"The user's cat is named {name}."]


def learner(database: Database, log: Path) -> Learner:
    return Learner(database, TwoFacts(), ReconnectLog(log, "learning"))


async def tell(url: str, life: str) -> None:
    database = Database(url)
    outbox = Outbox(database)
    with tempfile.TemporaryDirectory() as directory:
        learning = learner(database, Path(directory) / "log.jsonl")
        for number in itertools.count():
            turn_id = f"Q{life}x{number}"
            words = f"My dog and my cat are both called {turn_id}."
            await outbox.open_turn(Turn(turn_id, "thread", f"s{life}", AGENT, 1, words, person_id=PERSON))
            await outbox.finish_turn(turn_id, "I see.", interrupted=False)
            print(turn_id, flush=True)
            await learning.run_due()


if __name__ == "__main__":
    asyncio.run(tell(sys.argv[1], sys.argv[2]))
