"""Token of an ended session, on the whole system: a client with it is not greeted, heard or answered."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

import pytest
from livekit import rtc
from livekit.rtc.participant import PublishTrackError

from tests.integration.conversation.people import QUESTION, somebody_curt
from tests.support.caller import Caller, ControlApi, control_api
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack
from voice_agent.contracts import AgentAttribute
from voice_agent.lifecycle.states import State

REMOVED_WITHIN: Final = 5.0
"""2 s are promised; the machine may be busy."""
ASKED_LATE: Final = "Which boat lies in the harbour?"


class Late(Caller):
    """Somebody who comes when their session is over."""

    def __init__(self, api: ControlApi, session: dict[str, Any]) -> None:
        super().__init__(rtc.Room(), session, api.http)
        self.subscribed = False
        self._gone = asyncio.Event()
        self.room.on("disconnected", lambda *_: self._gone.set())
        self.room.on("local_track_subscribed", self._on_subscribed)

    def _on_subscribed(self, *_: object) -> None:
        self.subscribed = True

    async def tries(self) -> None:
        """Comes in, opens the microphone and asks, as far as they get before they are sent out."""
        try:
            # Sent out so soon, one has perhaps never been in.
            with contextlib.suppress(rtc.ConnectError, PublishTrackError, ConnectionError, TimeoutError):
                await self.room.connect(self.session["server_url"], self.session["participant_token"])
                async with asyncio.timeout(REMOVED_WITHIN):  # livekit waits for ever for an answer
                    await self.type(ASKED_LATE)
                    await self.open_microphone()
            if self.room.isconnected():
                async with asyncio.timeout(REMOVED_WITHIN):
                    await self._gone.wait()
        finally:
            await self.hang_up()
        assert not self.subscribed
        assert (self.seen.captions, self.seen.notices) == ([], [])


async def owner(api: ControlApi, agent: str, name: str) -> Caller:
    about = {"role": "owner", "business_id": "harbour", "user_identity": name.lower(), "user_name": name}
    return await api.come_in(agent_id=agent, **about)


async def test_in_a_shared_room_the_others_notice_nothing(stack: Stack) -> None:
    stack.llm.script(Rule(user="sailing boat", reply="It is called Marigold."))
    async with control_api(stack) as api:
        agent = await somebody_curt(stack, api, "Harbour")
        ben = await owner(api, agent, "Ben")
        await ben.greeting()
        anna = await owner(api, agent, "Anna")
        assert anna.session["room_name"] == ben.session["room_name"]
        await ben.until(lambda: any(n.code == "arrival" for n in ben.seen.notices), "Anna's arrival")
        assert (await anna.ask_the_server("DELETE", "")).status_code == 204
        await anna.hang_up()
        captions, notices = len(ben.seen.captions), len(ben.seen.notices)
        await Late(api, anna.session).tries()
        assert (ben.seen.captions[captions:], ben.seen.notices[notices:]) == ([], [])
        assert not any(ASKED_LATE in prompt.user for prompt in await asyncio.to_thread(stack.llm.prompts))
        assert "Marigold" in await ben.ask(QUESTION)


@pytest.mark.parametrize("policy", ["shared", "resident"])
async def test_an_empty_room_stays_as_it_is(stack: Stack, policy: str) -> None:
    async with control_api(stack) as api:
        agent = await somebody_curt(stack, api, f"Empty {policy}", room_policy=policy)
        anna = await owner(api, agent, "Anna")
        await anna.greeting()
        # Another session of hers, with which she looks on: nobody else is there.
        again = await owner(api, agent, "Anna")
        await anna.leave()
        assert (await anna.ask_the_server("DELETE", "")).status_code == 204
        before = (await again.leave())["episode"]
        await Late(api, anna.session).tries()
        back = await api.come_back(again)
        await back.answered()
        assert back.episode == before, "nobody was there in between"
        assert back.attribute(AgentAttribute.STATE) == State.ENGAGED


async def test_a_room_of_ones_own_is_gone_with_its_session(stack: Stack) -> None:
    """A token may make the room again, where LiveKit lets tokens make rooms; it is empty, and closed at once."""
    async with control_api(stack) as api:
        caller = await api.come_in(agent_id=await somebody_curt(stack, api, "Alone"))
        await caller.greeting()
        assert (await caller.ask_the_server("DELETE", "")).status_code == 204
        await Late(api, caller.session).tries()
