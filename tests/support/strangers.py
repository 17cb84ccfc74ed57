"""Tests of a stranger on the real system: none of the owner's facts reaches the language model, on any reply path.

With some questions in each test run, with all of them in nightly.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import httpx
import jwt

from tests.support.caller import Caller, ControlApi, control_api
from tests.support.eventually import eventually
from tests.support.letta_server import RealLetta
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack
from voice_agent.contracts import ReplyPath

HUMAN, PLANS, PASSAGE, TOLD = CANARIES = ("Zephyrine", "Ostravica", "Verdigrisson", "Brindlewick")
BLOCKS = {
    "persona": "I am Ada.",
    "task": "I sell boats.",
    "human": f"The owner's cat is called {HUMAN}.",
    "plans": f"The owner wants to move to {PLANS} in May.",
}
CURT = Rule(reply="Hm.")
"""The answers are spoken; their words do not matter."""


async def told_by_the_owner(stack: Stack, api: ControlApi, path: ReplyPath) -> str:
    """A saved assistant, with a fact of its owner in every kind of storage."""
    real = RealLetta(stack)
    letta_agent = await asyncio.to_thread(real.add_agent, f"Told {path}", BLOCKS)
    await asyncio.to_thread(real.add_passage, letta_agent, f"The spare key is under the {PASSAGE} pot.")
    saved = {"name": f"Told {path}", "letta_agent_id": letta_agent, "config": {"reply_path": path}}
    agent = str((await api.http.post("/agents", json=saved)).raise_for_status().json()["id"])
    owner = await api.come_in(agent_id=agent)
    await owner.greeting()
    await owner.ask(f"My brother is called {TOLD}.")
    await owner.leave()

    def remembered() -> str:
        return httpx.get(f"{stack.url}/people/owner/memory", params={"agent_id": agent}, timeout=10).text

    learned = await asyncio.to_thread(eventually, remembered, lambda text: PASSAGE in text and TOLD in text, within=120)
    assert TOLD in learned
    return agent


async def asked(stack: Stack, caller: Caller, greeting: str, questions: Sequence[str]) -> str:
    """All prompts that hold this caller's questions, and all captions that the caller saw."""
    await asyncio.to_thread(stack.llm.forget)
    for question in questions:
        await caller.ask(question)
        assert await sent_with(stack, question), question
    sent = [body for question in questions for body in await sent_with(stack, question)]
    return "\n".join([greeting, *sent, *caller.seen.captions])


async def sent_with(stack: Stack, question: str) -> list[str]:
    """Requests that hold the question, also in the history. Background work on the owner's memory does not hold it."""
    requests = await asyncio.to_thread(stack.llm.requests)
    return [body for request in requests if question in (body := json.dumps(request["body"]))]


async def known_by_a_key_is_told_nothing(stack: Stack, path: ReplyPath, questions: Sequence[str]) -> None:
    """Test with a stranger who is identified by a browser key."""
    stack.llm.script(CURT)
    async with control_api(stack) as api:
        agent = await told_by_the_owner(stack, api, path)
        key = (await api.http.post("/people")).raise_for_status().json()["key"]
        stranger = await api.come_in(agent_id=agent, browser_key=key)
        assert stranger.session["person"]["kind"] == "browser"
        given = await asked(stack, stranger, await stranger.greeting(), questions)
        await stranger.leave()
        assert [canary for canary in CANARIES if canary in given] == []
        assert "I sell boats" in given
        owner = await api.come_in(agent_id=agent)
        await owner.greeting()
        await owner.ask("Is my cat called something special?")
        sent = "".join(await sent_with(stack, "Is my cat called something special?"))
        assert HUMAN in sent, "the owner's question has it: the test could fail"
        assert PLANS in sent
        await owner.leave()


async def of_one_session_is_told_nothing(stack: Stack, questions: Sequence[str]) -> None:
    """Test with a stranger who is not identified, on the Letta reply path."""
    stack.llm.script(CURT)
    async with control_api(stack) as api:
        agent = await told_by_the_owner(stack, api, ReplyPath.LETTA)
        # With an unknown key, and no way to return a new one, the person is identified for the session only.
        about = {"agent_id": agent, "browser_key": "unknown"}
        answer = await api.http.post("/token", json={"participant_attributes": about})
        token = answer.raise_for_status().json()
        attributes = jwt.decode(token["participant_token"], options={"verify_signature": False})["attributes"]
        assert attributes["va.person_id"] == f"session:{attributes['va.session_id']}"
        session = {"server_url": token["server_url"], "session_id": attributes["va.session_id"], "resume_secret": ""}
        stranger = await api.join(session, token["participant_token"])
        given = await asked(stack, stranger, await stranger.greeting(), questions)
        assert [canary for canary in CANARIES if canary in given] == []
        assert "I sell boats" in given
