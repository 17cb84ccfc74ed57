"""Leaving and coming back, on a real server with real clients: the seed's four tests, and further cases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest
from livekit import rtc

from tests.integration.conversation.people import BOAT, QUESTION, somebody_curt
from tests.support.caller import Caller, ControlApi, control_api
from tests.support.eventually import eventually
from tests.support.letta_agents import make_agent, spoken_turns
from tests.support.observer import observing
from tests.support.stack import Stack
from voice_agent.contracts import AgentAttribute, ControlMessage, LogEvent, Rpc, Topic
from voice_agent.rooms.livekit import LiveKit

LEFT = {"done", "pending"}
"""A slow machine may take longer than `leave` waits; who comes back meets the next episode all the same."""


async def test_basic_reconnection(stack: Stack) -> None:
    agent = make_agent(stack, "Basic", BOAT)
    async with control_api(stack) as api:
        caller = await api.come_in(agent_id=agent)
        assert "Basic" in await caller.greeting()
        assert "Marigold" in await caller.ask(QUESTION)
        first = caller.episode
        assert (await caller.leave())["reset"] in LEFT

        back = await api.come_back(caller)
        assert await back.greeting() == f"We were at: “{QUESTION.rstrip('?')}”."
        assert "Marigold" in await back.ask(QUESTION)
        assert back.episode == first + 1


async def test_rapid_reconnection_before_the_agent_has_joined(stack: Stack) -> None:
    agent = make_agent(stack, "Rapid", BOAT)
    async with control_api(stack) as api:
        caller = await api.come_in(agent_id=agent)
        await caller.hang_up()
        back = await api.come_back(caller)
        await back.greeting()
        assert "Marigold" in await back.ask(QUESTION)
        assert len(back.agents) == 1


Witness = Callable[[Caller], AbstractAsyncContextManager[Path]]


@pytest.fixture
async def witness(stack: Stack, tmp_path: Path) -> AsyncIterator[Witness]:
    """Somebody independent in a caller's room; in the end their record is held against our log."""
    record = tmp_path / "record.jsonl"
    yield lambda caller: observing(stack.settings, caller.session["room_name"], record)
    replayed = await asyncio.to_thread(
        stack.command, "replay", str(stack.settings.reconnect_log), "--observer", str(record)
    )
    assert replayed.returncode == 0, replayed.stdout
    seen = {json.loads(line)["event"] for line in record.read_text().splitlines()}
    assert seen >= {"human.joined", "human.left", "agent.ready", "audio.began", "audio.ended"}


async def test_many_cycles_in_one_room_with_the_same_agent(stack: Stack, witness: Witness) -> None:
    async with control_api(stack) as api:
        agent = await somebody_curt(stack, api, "Cycles")
        caller = await api.come_in(agent_id=agent)
        async with witness(caller):
            await some_cycles(api, caller)


async def some_cycles(api: ControlApi, caller: Caller) -> None:
    await caller.answered()
    who = (caller.agents[0].identity, caller.attribute(AgentAttribute.PID))
    for cycle in range(1, 4):
        assert caller.episode == cycle
        await caller.greeting()
        assert "Marigold" in await caller.ask(QUESTION)
        assert (await caller.leave())["reset"] in LEFT
        caller = await api.come_back(caller)
        await caller.answered()
        assert (caller.agents[0].identity, caller.attribute(AgentAttribute.PID)) == who
        assert len(caller.agents[0].track_publications) == 1


async def test_leaving_while_turns_are_on_their_way_to_letta(stack: Stack) -> None:
    async with control_api(stack) as api:
        agent = await somebody_curt(stack, api, "Sync")
        caller = await api.come_in(agent_id=agent)
        await caller.greeting()
        asked = [f"{QUESTION} Number {number}." for number in range(3)]
        for text in asked:
            await caller.ask(text)
        await caller.hang_up()
        back = await api.come_back(caller)
        await back.greeting()
        await back.ask(QUESTION)
        await back.leave()
    stored = await asyncio.to_thread(
        eventually,
        lambda: spoken_turns(stack, caller.session["agent"]["letta_agent_id"]),
        lambda turns: len(turns) >= 8,
        within=60,
    )
    users = [text for role, text in stored if role == "user_message"]
    assert users == [*asked, QUESTION]
    assert [role for role, _ in stored] == ["user_message", "assistant_message"] * 4


async def test_ten_rejoins_during_the_reset_lose_nobody_and_greet_each_once(stack: Stack, witness: Witness) -> None:
    async with control_api(stack) as api:
        agent = await somebody_curt(stack, api, "Rejoin")
        caller = await api.come_in(agent_id=agent)
        async with witness(caller):
            await ten_rejoins(api, caller)


async def ten_rejoins(api: ControlApi, caller: Caller) -> None:
    await caller.greeting()
    for pause in range(10):
        await caller.hang_up()
        await asyncio.sleep(pause * 0.02)  # another moment of the reset each time
        caller = await api.come_back(caller)
        await caller.answered()
        await caller.greeting()
    assert "Marigold" in await caller.ask(QUESTION)
    assert len(caller.seen.captions) == 2, caller.seen


async def test_whoever_joins_next_is_answered(stack: Stack) -> None:
    async with control_api(stack) as api:
        agent = await somebody_curt(stack, api, "Next")
        first = await api.come_in(agent_id=agent)
        await first.greeting()
        second = await api.join_as(first, "somebody-else")
        await second.until(lambda: any(n.code == "arrival" for n in second.seen.notices), "being noticed")
        await first.leave()
        assert "Marigold" in await second.ask(QUESTION)
        assert second.episode == 1, "one human stayed: no reset"
        await second.hang_up()
        third = await api.join_as(first, "a-third")
        await third.greeting()
        assert "Marigold" in await third.ask(QUESTION)
        assert third.episode == 2


async def test_a_reset_asked_for_in_mid_call_does_not_greet_again(stack: Stack) -> None:
    async with control_api(stack) as api:
        agent = await somebody_curt(stack, api, "Manual")
        caller = await api.come_in(agent_id=agent)
        await caller.greeting()
        await call(caller, Rpc.RESET)
        await caller.until(lambda: caller.episode == 2, "the next episode")
        await caller.answered()
        for episode, called in ((3, caller.session["room_name"]), (4, "Manual")):
            ordered = await asyncio.to_thread(stack.command, "reset", called)
            assert (ordered.returncode, ordered.stdout) == (0, f"done, episode {episode}\n"), ordered.stderr
            await caller.answered()
        assert "Marigold" in await caller.ask(QUESTION)
        assert len(caller.seen.captions) == 2, caller.seen


async def test_another_assistant_takes_over_in_the_same_room(stack: Stack) -> None:
    before = make_agent(stack, "Before", BOAT)
    after = make_agent(stack, "After", "The person's new sailing boat is called Pelican.")
    async with control_api(stack) as api:
        caller = await api.come_in(agent_id=before)
        await caller.greeting()
        assert "Marigold" in await caller.ask(QUESTION)
        stack.llm.forget()
        unknown = await caller.ask_the_server("PUT", "/agent", json={"agent_id": "agent-nobody"})
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "agent_not_found")
        switched = await caller.ask_the_server("PUT", "/agent", json={"agent_id": after})
        assert switched.json() == {"id": after, "name": "After", "letta_agent_id": after}
        await caller.until(lambda: caller.attribute(AgentAttribute.AGENT_ID) == after, "the new binding")
        await caller.answered()
        await caller.type("What is my new sailing boat called?")
        # The last caption of the one before may come once more, since its speech was stopped.
        await caller.until(lambda: any("Pelican" in said for said in caller.seen.captions), "an answer of the new one")
        prompts = stack.llm.prompts()
        await caller.leave()
        back = await api.come_back(caller)
        assert back.session["agent"]["id"] == after
        assert "We were at: “What is my new sailing boat called”." in await back.greeting()
        assert back.attribute(AgentAttribute.AGENT_NAME) == "After"
    assert prompts
    assert all("Marigold" not in prompt.system and "Before" not in prompt.system for prompt in prompts)


async def test_a_connection_that_breaks_on_the_callers_side_comes_back(stack: Stack) -> None:
    """Resumed, the visit goes on. Made anew, LiveKit sees a leave and a return, but of the same call: no greeting."""
    async with control_api(stack) as api:
        agent = await somebody_curt(stack, api, "Broken")
        caller = await api.come_in(agent_id=agent)
        await caller.greeting()
        await broken(caller, rtc.SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT)
        assert "Marigold" in await caller.ask(QUESTION)
        assert caller.episode == 1
        await broken(caller, rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT)
        already = len(caller.seen.captions)
        assert "Marigold" in await caller.ask(QUESTION)
        assert len(caller.seen.captions) == already + 1, "and no second greeting"
        assert caller.episode == 2


async def broken(caller: Caller, scenario: rtc.SimulateScenarioKind.ValueType) -> None:
    again = asyncio.Event()
    caller.room.once("reconnected", lambda *_: again.set())
    await caller.room.simulate_scenario(scenario)
    await asyncio.wait_for(again.wait(), 30)
    await caller.answered()


async def test_who_is_told_to_make_room_leaves_the_empty_room_and_says_so(stack: Stack) -> None:
    livekit = LiveKit(stack.settings)
    try:
        async with control_api(stack) as api:
            agent = await somebody_curt(stack, api, "Polite")
            caller = await api.come_in(agent_id=agent)
            await caller.greeting()
            job = psutil.Process(int(caller.attribute(AgentAttribute.PID)))
            assert (await caller.leave())["reset"] in LEFT
            await livekit.order(caller.session["room_name"], ControlMessage(act="drain"))
            await asyncio.to_thread(job.wait, 30)
    finally:
        await livekit.close()
    log = map(json.loads, stack.settings.reconnect_log.read_text().splitlines())
    assert [line["room"] for line in log if (line["event"], line["pid"]) == (LogEvent.JOB_ENDED, job.pid)] == [
        caller.session["room_name"]
    ]


async def test_nothing_a_client_sends_ends_the_agent(stack: Stack) -> None:
    async with control_api(stack) as api:
        agent = await somebody_curt(stack, api, "Tough")
        caller = await api.come_in(agent_id=agent)
        await caller.greeting()
        me = caller.room.local_participant
        await me.publish_data(b'{"type": "room_cleanup"}', reliable=True)
        await me.publish_data(b'{"act": "drain"}', reliable=True, topic="va.control")
        await me.publish_data(b"\xff\x00not json", reliable=True, topic="va.control")
        await caller.type("x" * 1_000_000)
        for _ in range(1_000):
            await me.publish_data(b"{}", reliable=False, topic=Topic.CHAT)
        for given_up in ("aborted", ""):
            writer = await me.stream_text(topic=Topic.CHAT)
            await writer.write("I am ")
            if given_up:
                await writer.aclose(reason=given_up)
        await caller.until(lambda: any(n.code == "bad_client_message" for n in caller.seen.notices), "a refusal")
        assert "Marigold" in await caller.ask(QUESTION)


async def call(caller: Caller, method: Rpc) -> Any:
    return await caller.room.local_participant.perform_rpc(
        destination_identity=caller.agents[0].identity, method=method, payload="", response_timeout=20
    )


async def test_what_is_typed_during_a_reset_is_answered_after_it(stack: Stack) -> None:
    async with control_api(stack) as api:
        caller = await api.come_in(agent_id=await somebody_curt(stack, api, "Busy with itself"))
        await caller.greeting()
        ordered = asyncio.create_task(call(caller, Rpc.RESET), name="reset")
        await caller.until(lambda: caller.attribute(AgentAttribute.STATE) == "resetting", "a reset")
        await caller.type(QUESTION)
        await ordered
        await caller.until(lambda: any("Marigold" in caption for caption in caller.seen.captions), "an answer")
