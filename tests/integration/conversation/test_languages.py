"""A conversation in Spanish: understood, answered and spoken in it, with the real recogniser and voice."""

from __future__ import annotations

import asyncio

from tests.integration.conversation.people import somebody_curt
from tests.support.caller import control_api
from tests.support.scripted_llm import Rule
from tests.support.speech import recognise, samples_of, say
from tests.support.stack import Stack

QUESTION = "¿Cómo se llama mi barco de vela?"
ANSWER = "Tu barco se llama Marigold."


async def test_a_spoken_question_in_spanish_is_answered_in_spanish(stack: Stack) -> None:
    stack.llm.script(Rule(user="barco", system="Always answer in Spanish", reply=ANSWER))
    async with control_api(stack) as api:
        marina = await somebody_curt(stack, api, "Marina", language="es", greeting="Hola.")
        caller = await api.come_in(agent_id=marina)
        await caller.greeting()
        # Also the words that start the recogniser: on an empty cache it is fetched meanwhile.
        sound = await asyncio.to_thread(say, QUESTION, stack.settings.models_url, voice="ef_dora", before=0.3)
        await asyncio.to_thread(recognise, sound, stack.settings.models_url, language="es", within=300.0)
        await caller.open_microphone()
        async with caller.ears() as heard:
            await caller.say(samples_of(sound))
            await caller.until(lambda: ANSWER in caller.seen.captions, "the answer in Spanish")
            answer = heard()
        await caller.leave()
    said = await asyncio.to_thread(recognise, answer, stack.settings.models_url, language="es")
    assert "barco" in said.lower(), said


async def test_an_unknown_language_is_refused_with_the_list(stack: Stack) -> None:
    async with control_api(stack) as api:
        saved = {"name": "Nobody", "letta_agent_id": "agent-1", "config": {"language": "klingon"}}
        answer = await api.http.post("/agents", json=saved)
        assert answer.status_code == 400, answer.text
        assert "es (Spanish)" in answer.json()["error"]["message"]
