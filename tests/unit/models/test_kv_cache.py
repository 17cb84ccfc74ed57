from __future__ import annotations

import pytest

from voice_agent.models.kv_cache import WORTH_COPYING, KvCache, Place
from voice_agent.providers.local_server import SAVED_PROMPTS

NOVA = "You are Nova. " + "The user likes tea and has two cats. " * 20
ADA = "You are Ada. " + "Nobody knows anything about the user. " * 20


def read(slots: KvCache, conversation: str, prompt: str) -> Place:
    with slots.place(conversation, prompt) as place:
        return place


def test_a_conversation_keeps_its_slot() -> None:
    slots = KvCache(3)
    first = read(slots, "a", NOVA)
    read(slots, "b", ADA)
    assert read(slots, "a", NOVA + "And now?") == first


def test_a_new_one_takes_the_slot_that_was_idle_longest() -> None:
    slots = KvCache(2)
    old, younger = read(slots, "a", NOVA), read(slots, "b", ADA)
    assert read(slots, "c", "Hello.").slot == old.slot
    with slots.place("b", ADA):
        read(slots, "c", "Hello.")
        assert read(slots, "d", "Hello.").slot == old.slot, "the other one computes"
    assert younger.slot != old.slot


def test_what_another_has_read_is_copied() -> None:
    slots = KvCache(3)
    source = read(slots, "a", NOVA)
    assert read(slots, "b", NOVA + "Hello.") == Place(1, copy_of=source.slot)
    assert read(slots, "c", ADA) == Place(2), "nothing in common"


def test_nothing_is_copied_from_a_slot_that_computes_nor_for_a_few_words() -> None:
    slots = KvCache(2)
    with slots.place("a", NOVA):
        assert read(slots, "b", NOVA).copy_of is None
    slots = KvCache(2)
    read(slots, "a", NOVA[:WORTH_COPYING])
    assert read(slots, "b", NOVA[: WORTH_COPYING - 1]).copy_of is None


def test_a_slot_that_knows_the_beginning_itself_is_taught_nothing() -> None:
    slots = KvCache(2)
    read(slots, "a", NOVA)
    read(slots, "b", NOVA)
    assert read(slots, "c", NOVA + "Hello.").copy_of is None


def shelve(slots: KvCache, name: str, prompt: str) -> str:
    with slots.saved(name, prompt) as file:
        return file


def test_a_saved_prompt_is_copied_by_every_conversation_that_begins_alike() -> None:
    slots = KvCache(2)
    file = shelve(slots, "nova", NOVA)
    for number, conversation in enumerate(("a", "b")):
        assert read(slots, conversation, NOVA + conversation) == Place(number, copy_of=file)
    assert read(slots, "c", ADA).copy_of is None
    assert slots.is_saved("nova", NOVA)
    assert not slots.is_saved("nova", NOVA + "It rains.")


def test_the_newest_prompts_are_saved_and_a_name_keeps_its_place() -> None:
    slots = KvCache(1)
    files = [shelve(slots, f"agent {number}", NOVA) for number in range(SAVED_PROMPTS)]
    assert shelve(slots, "agent 0", ADA) == files[0]
    assert shelve(slots, "one more", NOVA) == files[1]
    assert not slots.is_saved("agent 1", NOVA)


def test_what_could_not_be_written_is_not_saved() -> None:
    slots = KvCache(1)
    shelve(slots, "nova", NOVA)
    with pytest.raises(OSError, match="full"), slots.saved("nova", ADA):
        raise OSError("full")
    assert not slots.is_saved("nova", NOVA)
    assert not slots.is_saved("nova", ADA)
