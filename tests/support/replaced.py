"""Tests of an agent process that ends during a call: the conversation continues with another.

Some of them run in each test run, the rest in nightly.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable

import psutil

from tests.integration.conversation.people import BOAT, KNOWS_THE_BOAT, QUESTION
from tests.support.caller import Caller, control_api
from tests.support.eventually import PATIENCE, eventually
from tests.support.letta_agents import make_agent, spoken_turns
from tests.support.scripted_llm import Failure, Rule
from tests.support.stack import Stack
from voice_agent.contracts import AgentAttribute
from voice_agent.languages import ENGLISH
from voice_agent.rooms.leases import Leases
from voice_agent.storage.database import Database


def the_job(_stack: Stack, caller: Caller) -> int:
    return int(caller.attribute(AgentAttribute.PID))


def the_worker(stack: Stack, _caller: Caller) -> int:
    return service(stack, "worker")


def service(stack: Stack, name: str) -> int:
    services = json.loads(stack.command("status", "--json").stdout)["services"]
    return next(int(service["pid"]) for service in services if service["name"] == name)


async def goes_on_without_a_second_greeting(
    stack: Stack, whom: Callable[[Stack, Caller], int], how: signal.Signals
) -> None:
    stack.llm.script(KNOWS_THE_BOAT)
    agent = make_agent(stack, "Phoenix", BOAT)
    async with control_api(stack) as api:
        caller = await api.come_in(agent_id=agent)
        await caller.greeting()
        assert "Marigold" in await caller.ask(QUESTION)
        before, job = caller.agents[0].identity, psutil.Process(the_job(stack, caller))
        os.kill(await asyncio.to_thread(whom, stack, caller), how)
        await caller.until(lambda: any(a.identity != before for a in caller.agents), "another agent")
        await caller.until(lambda: len(caller.agents) == 1, "only the other one")
        await caller.answered()
        assert "Marigold" in await caller.ask("And again: what is my sailing boat called?")
        assert len(caller.seen.captions) == 3, caller.seen
        await asyncio.to_thread(job.wait, PATIENCE)
        await caller.leave()
    stored = await asyncio.to_thread(
        eventually, lambda: spoken_turns(stack, agent), lambda turns: len(turns) >= 4, within=60
    )
    assert [role for role, _ in stored] == ["user_message", "assistant_message"] * 2, stored
    ends = [json.loads(line) for line in stack.settings.reconnect_log.read_text().splitlines() if "job.ended" in line]
    assert (str(job.pid) in {str(end["pid"]) for end in ends}) == (how is signal.SIGTERM), (
        "only who is asked says goodbye"
    )


async def serve_and_worker_die_together(stack: Stack) -> None:
    """No process can dispatch or run an agent until both are back."""
    stack.llm.script(KNOWS_THE_BOAT)
    agent = make_agent(stack, "Lazarus", BOAT)
    async with control_api(stack) as api:
        caller = await api.come_in(agent_id=agent)
        await caller.greeting()
        assert "Marigold" in await caller.ask(QUESTION)
        before = caller.agents[0].identity
        for pid in [await asyncio.to_thread(service, stack, name) for name in ("serve", "worker")]:
            os.kill(pid, signal.SIGKILL)
        await caller.until(lambda: any(a.identity != before for a in caller.agents), "another agent", within=90)
        await caller.until(lambda: len(caller.agents) == 1, "only the other one")
        await caller.answered()
        assert "Marigold" in await caller.ask("And again: what is my sailing boat called?")
        assert len(caller.seen.captions) == 3, f"a second greeting: {caller.seen}"
        await caller.leave()


RIDDLE = "Here is a riddle: what has hands and no fingers?"


async def killed(stack: Stack, caller: Caller) -> None:
    os.kill(the_job(stack, caller), signal.SIGKILL)


async def sent_away(stack: Stack, caller: Caller) -> None:
    """Fences its lease, as if it were found dead."""
    database = Database(stack.settings.effective_database_url)
    try:
        leases, room = Leases(database), str(caller.session["room_name"])
        assert await leases.fence(room, (await leases.of([room]))[room].epoch)
    finally:
        await database.close()


async def an_open_question_is_answered_once_or_said_to_be_lost(
    stack: Stack, end: Callable[[Stack, Caller], Awaitable[None]]
) -> None:
    agent = make_agent(stack, "Heir", BOAT)
    async with control_api(stack) as api:
        caller = await api.come_in(agent_id=agent)
        await caller.greeting()
        before = caller.agents[0].identity
        stack.llm.script(Rule(user="riddle", reply="A clock."), failures=(Failure("hang", 1, "riddle"),))
        stack.llm.forget()
        await caller.type(RIDDLE)
        asked = await asyncio.to_thread(
            eventually, lambda: [p for p in stack.llm.prompts() if p.user == RIDDLE], bool, within=30
        )
        assert asked, "the first agent asked the model"
        await end(stack, caller)
        await caller.until(
            lambda: bool({"A clock.", ENGLISH.sentences.lost} & set(caller.seen.captions)),
            "the answer, or that it is lost",
        )
        answered = "A clock." in caller.seen.captions
        # A fenced agent ends its turn itself, and Letta may have stored the turn by now.
        assert answered or end is sent_away
        assert [one.identity != before for one in caller.agents] == [True]
        await caller.until(lambda: caller.attribute(AgentAttribute.STATE) == "engaged", "an engaged agent")
        assert "Marigold" in await caller.ask(QUESTION)
        assert len(caller.seen.captions) == 3, caller.seen
        await caller.leave()
    riddle = [("user_message", RIDDLE), *([("assistant_message", "A clock.")] if answered else [])]
    stored = await asyncio.to_thread(
        eventually, lambda: spoken_turns(stack, agent), lambda turns: len(turns) >= len(riddle) + 2, within=60
    )
    assert stored[: len(riddle)] == riddle, stored
    assert [role for role, _ in stored[len(riddle) :]] == ["user_message", "assistant_message"], stored
