"""Sessions while Letta hangs: registered agents are listed and answer from the last snapshot."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.hanging_letta import HangingLetta
from voice_agent import clock
from voice_agent.contracts import RoomMetadata
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.memory.access import Memory
from voice_agent.memory.audience import Listener
from voice_agent.memory.model import Block
from voice_agent.registry.agents import AgentRegistry
from voice_agent.registry.model import AgentDraft, Person
from voice_agent.registry.people import Credentials, People
from voice_agent.registry.sessions import SessionRegistry
from voice_agent.registry.store import SqlAgentStore, SqlOwnMemoryStore, SqlPeopleStore, SqlSessionStore
from voice_agent.rooms.livekit import LiveKit
from voice_agent.rooms.repository import RoomRepository
from voice_agent.settings import Settings
from voice_agent.storage import Database
from voice_agent.storage.database import metadata
from voice_agent.web.session_service import SessionGrant, SessionRequest, SessionService

TASK = Block("persona", "I am Ada of the harbour.")
OWNERS = Block("human", "Robin plays the cello.")
SOON = 0.05


class RoomsAlone(LiveKit):
    """LiveKit without its server: rooms need not be there to open a session."""

    async def create_room(self, name: str, mark: RoomMetadata) -> None:
        """There it is."""


class House:
    def __init__(self, home: Path) -> None:
        keys = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret" * 8}
        settings = Settings.model_validate({"VOICE_HOME": home, **keys})
        self.database = Database(f"sqlite+aiosqlite:///{home / 'voice.db'}")
        self.letta = HangingLetta()
        self.livekit = RoomsAlone(settings)
        self.saved = SqlAgentStore(self.database)
        self.agents = AgentRegistry(
            self.saved, SqlOwnMemoryStore(self.database), self.letta, time.time, "", patience=SOON
        )
        self.session_service = SessionService(
            self.agents,
            SessionRegistry(SqlSessionStore(self.database), time.time, 3600.0),
            People(SqlPeopleStore(self.database), time.time),
            RoomRepository(self.database, time.time),
            self.livekit,
            lambda _room: None,
            lambda _job: None,
        )

    async def visit(self, agent_id: str | None) -> SessionGrant:
        """Somebody new each time."""
        return await self.session_service.open(SessionRequest(Person(), Credentials(takes_key=True), agent_id=agent_id))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = House(tmp_path)
    async with opened.database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield opened
    await opened.livekit.close()
    await opened.database.close()


async def test_somebody_new_gets_in_and_meets_an_assistant_that_knows_its_task(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await house.letta.add_agent("Ada", [TASK, OWNERS])
    before = await house.visit(ada)
    await Memory(house.database, house.letta).load(
        ada, deadline=5.0, listener=Listener.of(before.session.person_id, {})
    )
    house.letta.hangs = True
    monkeypatch.setenv(clock.AHEAD, "1")  # what was read a moment ago would count as fresh
    admitted = await house.visit(ada)
    assert admitted.session.person_id != before.session.person_id
    assert (admitted.session.agent_id, admitted.session.agent_name) == (ada, "Ada")
    known = await Memory(house.database, house.letta).load(
        ada, deadline=SOON, listener=Listener.of(admitted.session.person_id, {})
    )
    assert known.error is not None
    assert known.error.code is Code.LETTA_UNAVAILABLE
    assert known.snapshot is not None
    assert known.snapshot.blocks == (TASK,)


async def test_of_an_assistant_that_was_saved_here_nothing_has_to_be_known(house: House) -> None:
    ada = await house.letta.add_agent("Ada", [TASK])
    await house.saved.add("va-1", AgentDraft("Ada of the harbour", ada), 1.0)
    house.letta.hangs = True
    assert (await house.visit("va-1")).session.letta_agent_id == ada
    assert (await house.visit(None)).session.agent_id == "va-1"


async def test_of_an_assistant_that_nobody_here_has_met_it_is_said_that_letta_is_away(house: House) -> None:
    ada = await house.letta.add_agent("Ada", [TASK])
    house.letta.hangs = True
    for agent in (ada, None):
        with pytest.raises(Temporary) as caught:
            await house.visit(agent)
        assert caught.value.code is Code.LETTA_UNAVAILABLE


async def test_the_list_shows_who_is_registered_here(house: House) -> None:
    ada, bob = await house.letta.add_agent("Ada", [TASK]), await house.letta.add_agent("Bob", [OWNERS])
    await house.letta.add_agent("Cleo", [])
    await house.saved.add("va-1", AgentDraft("Ada of the harbour", ada), 1.0)
    await house.visit("va-1")
    for _ in range(2):
        await house.visit(bob)
    house.letta.hangs = True
    listing = await house.agents.list()
    assert [(agent.id, agent.name, agent.available) for agent in listing.agents] == [
        ("va-1", "Ada of the harbour", False),
        (bob, "Bob", False),
    ]
    assert [agent.remembers for agent in listing.agents] == ["", ""]
    assert listing.letta_error is not None
    assert listing.letta_error.code is Code.LETTA_UNAVAILABLE
    with pytest.raises(Permanent) as caught:
        await house.visit(None)
    assert caught.value.code is Code.AGENT_AMBIGUOUS


async def test_who_is_met_alone_is_the_one_that_is_meant(house: House) -> None:
    ada = await house.letta.add_agent("Ada", [TASK])
    await house.visit(None)
    house.letta.hangs = True
    assert (await house.visit(None)).session.agent_id == ada
