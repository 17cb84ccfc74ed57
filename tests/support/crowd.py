"""Several people at the same time, each in a separate room: no one may hear or read what belongs to another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.support.caller import MICROPHONE_RATE, Caller, ControlApi
from tests.support.scripted_llm import Rule
from tests.support.speech import recognise, without_silence, words
from tests.support.stack import Stack

WORDS: Final = (
    *("tangerine", "elephant", "thunder", "bicycle", "volcano"),
    *("umbrella", "penguin", "chocolate", "diamond", "saxophone"),
)
_ARRIVE_AT_ONCE: Final = 3
"""Each starts a process, which takes seconds of a core. Later all talk at the same time."""
_SOUND_WITHIN: Final = 60.0


async def crowd(stack: Stack, api: ControlApi, agent: str, said: Sequence[str]) -> None:
    """One person per word, all at the same time. Every answer holds its own word; no caption or audio holds another's.

    They type: two cores cannot transcribe ten speakers in time.
    """
    stack.llm.script(Rule(user=r"word is (\w+)", reply=r"Your word is \1."))
    through_the_door = asyncio.Semaphore(_ARRIVE_AT_ONCE)

    async def arrive() -> Caller:
        async with through_the_door:
            person = await api.come_in(agent_id=agent)
            await person.greeting()
            await person.close_microphone()
            return person

    people = await asyncio.gather(*(arrive() for _ in said))
    assert len({person.session["room_name"] for person in people}) == len(said)
    heard = await asyncio.gather(*(_tell(stack, person, word) for person, word in zip(people, said, strict=True)))
    for person, word, sound in zip(people, said, heard, strict=True):
        others = set(said) - {word}
        captions = set(words(" ".join(person.seen.captions)))
        assert word in captions, person.seen
        assert not others & captions, f"of {word}: {person.seen}"
        assert word in sound, f"heard {sound} for {word}"
        assert not others & set(sound), f"heard {sound} for {word}"
        assert len(person.agents) == 1
    await asyncio.gather(*(person.leave() for person in people))


async def _tell(stack: Stack, person: Caller, word: str) -> list[str]:
    async with person.ears() as heard:
        await person.ask(f"My word is {word}.")
        return await heard_words(stack, heard, word)


async def heard_words(stack: Stack, heard: Callable[[], NDArray[np.float32]], last: str) -> list[str]:
    """All recognised words once `last` is among them (audio comes after its caption), or those at the deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _SOUND_WITHIN
    said: list[str] = []
    known = recognised = 0
    while last not in said and loop.time() < deadline:
        loud = without_silence(heard(), MICROPHONE_RATE)
        if len(loud) == known != recognised:  # only after the speech has ended: STT takes CPU time from the others
            said = words(await asyncio.to_thread(recognise, loud, stack.settings.models_url, rate=MICROPHONE_RATE))
            recognised = known
        known = len(loud)
        await asyncio.sleep(0.5)
    return said
