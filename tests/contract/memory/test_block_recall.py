"""Recall counts what stands in an assistant's block about the person: it never denies what the prompt says."""

from __future__ import annotations

from pathlib import Path

from tests.support.eventually import PATIENCE
from tests.support.facts_world import ScriptedProposer, WordEmbedder
from tests.support.fake_letta import FakeLetta
from voice_agent.memory.access import Memory
from voice_agent.memory.audience import Listener
from voice_agent.memory.facts.learner import Learner
from voice_agent.memory.facts.store import Owner
from voice_agent.memory.facts.wishes import ForgetWish
from voice_agent.memory.model import Block, Turn
from voice_agent.memory.recall.recall import DOUBTFUL, Recalled
from voice_agent.memory.recall.relevance import POSSIBLE
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage import Database

OWNER, STRANGER = Listener.of("owner", {}), Listener.of("browser:1", {})
QUESTION = "What is my boat called?"
BOAT, OTHER_BOAT = "Their boat is called Marigold.", "Their boat is called Celandine."


async def asked(memory: Memory, agent: str, listener: Listener, question: str = QUESTION) -> Recalled:
    await memory.load(agent, PATIENCE, listener)
    recall = memory.recall(agent, listener.person_id, "s")
    await recall.refresh()
    return await recall.about(question)


def texts(recalled: Recalled) -> list[str]:
    return [fact.text for fact in recalled.facts]


async def test_what_stands_in_the_block_was_told_to_its_owner_alone(database: Database) -> None:
    letta = FakeLetta()
    agent = await letta.add_agent("Ada", [Block("human", f"{BOAT} They live in Cork.")])
    for embedder in (WordEmbedder(), None):
        memory = Memory(database, letta, embedder)
        own = await asked(memory, agent, OWNER)
        assert (texts(own), own.untold) == ([BOAT], False)
        assert (await asked(memory, agent, OWNER, "What is my sister called?")).untold
        assert texts(await asked(memory, agent, OWNER, "What do you know about me?")) == [BOAT, "They live in Cork."]
        assert memory.recall(agent, OWNER.person_id, "s").known == [], "to be greeted as if for the first time"
        theirs = await asked(memory, agent, STRANGER)
        assert (texts(theirs), theirs.untold) == ([], True)


async def test_what_stands_in_the_block_is_not_denied_before_anybody_has_looked(database: Database) -> None:
    letta = FakeLetta()
    agent = await letta.add_agent("Ada", [Block("human", "Their dog Biscuit eats everything that she finds.")])
    memory = Memory(database, letta, WordEmbedder())
    found = await asked(memory, agent, OWNER, "When did I get my dog?")
    assert found.score is not None
    assert DOUBTFUL[0] < found.score < POSSIBLE
    assert (len(found.facts), found.sure, found.untold) == (1, False, False)


async def test_a_changed_block_is_recalled_as_it_is_now(database: Database) -> None:
    letta = FakeLetta()
    agent = await letta.add_agent("Ada", [Block("human", BOAT)])
    memory = Memory(database, letta, WordEmbedder())
    assert texts(await asked(memory, agent, OWNER)) == [BOAT]
    await letta.edit_block(agent, "human", OTHER_BOAT)
    assert texts(await asked(memory, agent, OWNER)) == [OTHER_BOAT]
    await letta.edit_block(agent, "human", "")
    assert (await asked(memory, agent, OWNER)).untold


async def test_what_was_told_since_comes_last_and_so_counts(database: Database, tmp_path: Path) -> None:
    letta = FakeLetta()
    agent = await letta.add_agent("Ada", [Block("human", BOAT)])
    memory = Memory(database, letta, WordEmbedder())
    said = "My boat is called Celandine."
    await memory.outbox.open_turn(Turn("t-1", "thread", "s", agent, 1, said, person_id="owner"))
    await memory.outbox.finish_turn("t-1", "I see.", interrupted=False)
    proposer = ScriptedProposer({said: ["The user's boat is named Celandine."]})
    await Learner(database, proposer, ReconnectLog(tmp_path / "log.jsonl", "test")).run_due()
    assert texts(await asked(memory, agent, OWNER)) == [BOAT, "The user's boat is named Celandine."]


async def test_a_wish_to_forget_it_is_not_said_to_be_done(database: Database, tmp_path: Path) -> None:
    letta = FakeLetta()
    agent = await letta.add_agent("Ada", [Block("human", f"{BOAT} They live in Cork.")])
    memory, log = Memory(database, letta, WordEmbedder()), ReconnectLog(tmp_path / "log.jsonl", "test").bind()
    for listener, what, written in (
        (OWNER, ForgetWish("my boat"), 1),
        (OWNER, ForgetWish("", everything=True), 2),
        (OWNER, ForgetWish("my sister"), 0),
        (STRANGER, ForgetWish("my boat"), 0),
    ):
        await memory.load(agent, PATIENCE, listener)
        outcome = await memory.forget(Owner(agent, listener.person_id), what, "t", log)
        assert (outcome.forgotten, outcome.written) == (0, written), (listener.person_id, what)
