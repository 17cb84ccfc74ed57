"""Tokens of ended sessions: LiveKit accepts them, so the participant is removed from our rooms."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from livekit import rtc
from sqlalchemy import delete

from tests.support.control_plane import ControlPlane, eventually, visitor
from tests.support.eventually import PATIENCE
from tests.support.light_worker import LightWorker
from voice_agent.contracts import LogEvent
from voice_agent.observe.reading import read_file
from voice_agent.registry.store import SqlSessionStore
from voice_agent.registry.tables import sessions
from voice_agent.storage import Database

REMOVED_WITHIN: Final = 5.0
"""2 s are promised, from LiveKit's letting somebody in to their removal; the machine may be busy."""


async def sent_out(plane: ControlPlane, session: dict[str, Any]) -> None:
    """Comes with the old token, publishes nothing, and is sent out in time: the agent is told of it seconds later."""
    room, gone = rtc.Room(), asyncio.Event()
    room.on("disconnected", lambda *_: gone.set())
    try:
        with contextlib.suppress(rtc.ConnectError):  # sent out so soon, one has perhaps never been in
            await room.connect(session["server_url"], session["participant_token"])
            async with asyncio.timeout(PATIENCE):
                await gone.wait()
    finally:
        await room.disconnect()

    async def after() -> list[float] | None:
        """Seconds, by LiveKit's clock and ours, which are one here."""
        lines = [entry.data or {} for entry in read_file(plane.settings.reconnect_log)]
        fields = [line["fields"] for line in lines if line["event"] == LogEvent.CALLER_REMOVED]
        return [told["seconds"] for told in fields if told["identity"] == session["participant_identity"]] or None

    assert min(await eventually(after, PATIENCE, "a line about the removal")) < REMOVED_WITHIN


@contextmanager
def nobody_writes(plane: ControlPlane) -> Iterator[None]:
    connection = sqlite3.connect(plane.settings.home / "voice.db", isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


async def end(plane: ControlPlane, session: dict[str, Any]) -> None:
    bearer = {"Authorization": f"Bearer {session['resume_secret']}"}
    answer = await plane.http.delete(f"/session/{session['session_id']}", headers=bearer)
    assert answer.status_code == 204, answer.text


async def test_the_token_of_an_ended_session_is_sent_out_and_the_others_stay(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings) as worker:
        anna, ben = [
            await plane.open_session(role="owner", business_id="b1", user_identity=who) for who in ("anna", "ben")
        ]
        room = anna["room_name"]
        assert room == ben["room_name"]
        agent = await plane.ready_agent(room)
        async with visitor(ben):
            await worker.meets(ben["participant_identity"])
            await end(plane, anna)
            await sent_out(plane, anna)
            present = {p.identity for p in await plane.livekit.participants(room)}
            assert present == {agent.identity, ben["participant_identity"]}


async def test_a_token_whose_session_was_deleted_with_its_age_is_sent_out_too(plane: ControlPlane) -> None:
    """Retention takes the row of an ended session; its token may live longer."""
    anna = await plane.open_session(role="owner", business_id="b1", user_identity="anna")
    await end(plane, anna)
    database = Database(plane.settings.effective_database_url)
    async with database.begin() as connection:
        await connection.execute(delete(sessions))
    await database.close()
    await sent_out(plane, anna)


async def test_it_is_sent_out_in_time_while_the_monitor_hangs(plane: ControlPlane) -> None:
    """Nothing can be written, and whoever looks at the room wants to write down that Ben is there."""
    anna, ben = [await plane.open_session(role="owner", business_id="b1", user_identity=who) for who in ("anna", "ben")]
    await end(plane, anna)
    with nobody_writes(plane):
        async with visitor(ben):
            await sent_out(plane, anna)


async def test_who_was_in_the_room_when_the_session_ended_is_sent_out_though_the_server_could_not(
    plane: ControlPlane,
) -> None:
    """The session is over in the database; that LiveKit was told is seen to by the monitor."""
    anna = await plane.open_session(role="owner", business_id="b1", user_identity="anna")
    async with visitor(anna) as there:
        gone = asyncio.Event()
        there.on("disconnected", lambda *_: gone.set())

        async def is_there() -> bool | None:
            return any(p.is_human for p in await plane.livekit.participants(anna["room_name"])) or None

        await eventually(is_there, 10, "Anna in her room")
        database = Database(plane.settings.effective_database_url)
        await SqlSessionStore(database).end(anna["session_id"], 1.0)
        await database.close()
        async with asyncio.timeout(15):  # the monitor looks at every room every 10 s
            await gone.wait()
