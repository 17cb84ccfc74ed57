"""A person tells unusual words to the real system and is deleted in the middle of a call: the words are nowhere."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.caller import control_api
from tests.support.database_text import all_text
from tests.support.eventually import PATIENCE, eventually
from tests.support.letta_server import RealLetta
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack
from voice_agent.memory.drainer import AgentLocks, Drainer
from voice_agent.memory.facts.archive import Archive
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.homes import Homes
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.threads import Threads
from voice_agent.observe.log import ReconnectLog
from voice_agent.rooms.deletion import DeletionWorker, PersonDeletions
from voice_agent.storage import Database, upgrade


@pytest.fixture
def word() -> str:
    return f"Zerlina{secrets.token_hex(4)}"


async def test_nothing_of_a_caller_is_left_anywhere(stack: Stack, word: str) -> None:
    real = RealLetta(stack)
    agent = await asyncio.to_thread(real.add_agent, "Forgetful", {"persona": "I am Ada.", "human": ""})
    stack.llm.script(Rule(user=word, reply=f"A fine name, {word}."))
    database = Database(stack.settings.effective_database_url)
    async with control_api(stack) as api:
        made = (await api.http.post("/people")).json()
        bearer = {"Authorization": f"Bearer {made['key']}"}
        await api.http.put("/people/me", json={"user_name": "Quintilla"}, headers=bearer)
        caller = await api.come_in(agent_id=agent, browser_key=made["key"])
        assert "Quintilla" in await caller.greeting()
        assert word in await caller.ask(f"My canary is called {word}.")
        known = Fact(f"f-{word}", agent, made["person_id"], f"The user's canary is called {word}.", datetime.now(UTC))
        await FactStore(database).add(known)

        async def archived() -> bool:
            stored = await FactStore(database).get(known.fact_id)
            home = await Homes(database, LettaClient(stack.settings)).home(agent, made["person_id"])
            return bool(stored and stored.passage_id and home) and not await Outbox(database).threads_with_work()

        async with asyncio.timeout(PATIENCE * 2):
            while not await archived():  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        assert await real.holds(word)
        answer = await api.http.delete("/people/me", headers=bearer, timeout=60)
        assert (answer.status_code, answer.json()["state"]) in ((200, "done"), (202, "pending")), answer.text

        def left() -> int:
            found = stack.command("people", "export", made["person_id"])
            return found.returncode

        assert await asyncio.to_thread(eventually, left, bool, within=PATIENCE), "nobody of this name is known any more"
        assert not caller.room.isconnected()
        await caller.hang_up()
    rows = await all_text(database)
    await database.close()
    for words in (word, "Quintilla", made["person_id"]):
        assert words not in rows, words
    assert not await real.holds(word, also_deleted=True)
    files = [path for path in stack.home.glob("voice.db*") if path.is_file()]
    assert files
    for path in files:
        assert word.encode() not in await asyncio.to_thread(path.read_bytes), path


@pytest.fixture
async def own_database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'voice.db'}")
    await upgrade(database)
    yield database
    await database.close()


async def test_of_the_owner_the_conversations_go_and_what_an_operator_wrote_stays(
    stack: Stack, own_database: Database, tmp_path: Path, word: str
) -> None:
    real, database = RealLetta(stack), own_database
    letta = LettaClient(stack.settings, timeout=30.0)
    by_hand = f"rhubarb{word}"
    agent = await asyncio.to_thread(real.add_agent, "Owned", {"persona": "I am Ada.", "human": f"Likes {by_hand}."})
    outbox, threads, homes, locks = Outbox(database), Threads(database), Homes(database, letta), AgentLocks()
    log = ReconnectLog(tmp_path / "log.jsonl", "test")
    said = f"My canary is called {word}."
    await threads.ensure("thread", agent)
    await outbox.open_turn(Turn("t1", "thread", "s1", agent, 1, said, person_id="owner"))
    await outbox.finish_turn("t1", "I see.", interrupted=False)
    fact = Fact("f1", agent, "owner", f"The user's canary is called {word}.", datetime.now(UTC), turn_id="t1")
    await FactStore(database).add(fact)
    drainer = Drainer(outbox, threads, homes, letta, log, locks)
    archive = Archive(FactStore(database), homes, letta, log)
    async with asyncio.timeout(PATIENCE * 2):
        while await outbox.threads_with_work():
            await drainer.drain_once()
        await archive.run_due()
    assert word in await asyncio.to_thread(real.block, agent, "facts")
    conversation, _, _ = await threads.conversation("thread")
    assert conversation is not None
    await PersonDeletions(database).request("owner")
    assert not await DeletionWorker(database, letta, log).run_due(locks, frozenset)
    assert word not in await all_text(database)
    assert await letta.messages_after(conversation, None) == []
    # `by_hand` ends with the word, so it is looked for without what was written by hand.
    assert not await real.holds(f"called {word}")
    assert await asyncio.to_thread(real.block, agent, "facts") == ""
    assert by_hand in await asyncio.to_thread(real.block, agent, "human")
    await letta.close()
