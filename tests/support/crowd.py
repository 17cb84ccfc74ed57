"""Several people at once, each in a room of their own: nobody hears or reads what is another's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.support.caller import MICROPHONE_RATE, Caller, FrontDoor
from tests.support.scripted_llm import Rule
from tests.support.speech import recognise, samples_of, say, without_silence, words
from tests.support.stack import Stack

WORDS: Final = (
    *("tangerine", "elephant", "thunder", "bicycle", "volcano"),
    *("umbrella", "penguin", "chocolate", "diamond", "saxophone"),
)
_ARRIVE_AT_ONCE: Final = 3
"""Each costs the start of a process, seconds of a core. All talk at once."""
_SOUND_WITHIN: Final = 60.0
_ANSWER_WITHIN: Final = 120.0


async def crowd(stack: Stack, door: FrontDoor, agent: str, said: Sequence[str], *, aloud: bool = False) -> None:
    """One person for each word, all at once. Every answer holds its own word; no caption and no sound another's.

    They type, or speak `aloud`, with a microphone that is open while they speak.
    """
    stack.llm.script(Rule(user=r"word is (\w+)", reply=r"Your word is \1."))
    through_the_door = asyncio.Semaphore(_ARRIVE_AT_ONCE)

    async def arrive() -> Caller:
        async with through_the_door:
            person = await door.come_in(agent_id=agent)
            await person.greeting()
            if aloud:
                await person.close_microphone()
            return person

    people = await asyncio.gather(*(arrive() for _ in said))
    assert len({person.session["room_name"] for person in people}) == len(said)
    spoken = [await asyncio.to_thread(_spoken, stack, word) if aloud else None for word in said]
    heard = await asyncio.gather(
        *(_tell(stack, *one) for one in zip(people, said, spoken, strict=True)),
    )
    for person, word, sound in zip(people, said, heard, strict=True):
        others = set(said) - {word}
        captions = set(words(" ".join(person.seen.captions)))
        assert word in captions, person.seen
        assert not others & captions, f"of {word}: {person.seen}"
        assert word in sound, f"heard {sound} for {word}"
        assert not others & set(sound), f"heard {sound} for {word}"
        assert len(person.agents) == 1
    await asyncio.gather(*(person.leave() for person in people))


def _sentence(word: str) -> str:
    return f"My word is {word}."


def _spoken(stack: Stack, word: str) -> NDArray[np.float32]:
    voice = stack.settings.tts_model or "kokoro-82m"
    return samples_of(say(_sentence(word), stack.settings.models_url, model=voice, voice="alloy"))


async def _tell(stack: Stack, person: Caller, word: str, spoken: NDArray[np.float32] | None) -> list[str]:
    async with person.ears() as heard:
        if spoken is None:
            await person.ask(_sentence(word))
        else:
            already = len(person.seen.captions)
            await person.open_microphone()
            await person.say(spoken)
            await person.until(lambda: len(person.seen.captions) > already, f"an answer to {word}", _ANSWER_WITHIN)
        return await heard_words(stack, heard, word)


async def heard_words(stack: Stack, heard: Callable[[], NDArray[np.float32]], last: str) -> list[str]:
    """All that is recognised once `last` is among it: sound comes after its caption. What there is when time is up."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _SOUND_WITHIN
    said: list[str] = []
    known = recognised = 0
    while last not in said and loop.time() < deadline:
        loud = without_silence(heard(), MICROPHONE_RATE)
        if len(loud) == known != recognised:  # whoever still speaks is heard out: recognising costs the others time
            said = words(await asyncio.to_thread(recognise, loud, stack.settings.models_url, rate=MICROPHONE_RATE))
            recognised = known
        known = len(loud)
        await asyncio.sleep(0.5)
    return said
