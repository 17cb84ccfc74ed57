"""Several people at once, each in a room of their own: nobody hears or reads what is another's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.support.caller import MICROPHONE_RATE, Caller, FrontDoor
from tests.support.scripted_llm import Rule
from tests.support.speech import recognise, without_silence, words
from tests.support.stack import Stack

WORDS: Final = (
    *("tangerine", "elephant", "thunder", "bicycle", "volcano"),
    *("umbrella", "penguin", "chocolate", "diamond", "saxophone"),
)


async def crowd(stack: Stack, door: FrontDoor, agent: str, said: Sequence[str]) -> None:
    """One person for each word, all at once. Every answer holds its own word; no caption and no sound another's."""
    stack.llm.script(Rule(user=r"word is (\w+)", reply=r"Your word is \1."))
    people = await asyncio.gather(*(door.come_in(agent_id=agent) for _ in said))
    assert len({person.session["room_name"] for person in people}) == len(said)
    await asyncio.gather(*(person.greeting() for person in people))
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
        return await heard_words(stack, heard())


async def heard_words(stack: Stack, sound: NDArray[np.float32]) -> list[str]:
    loud = without_silence(sound, MICROPHONE_RATE)
    if not len(loud):
        return []
    return words(await asyncio.to_thread(recognise, loud, stack.settings.models_url, rate=MICROPHONE_RATE))
