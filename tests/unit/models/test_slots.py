from __future__ import annotations

from voice_agent.models.slots import WORTH_COPYING, Place, Slots

NOVA = "You are Nova. " + "The user likes tea and has two cats. " * 20
ADA = "You are Ada. " + "Nobody knows anything about the user. " * 20


def read(slots: Slots, conversation: str, prompt: str) -> Place:
    with slots.place(conversation, prompt) as place:
        return place


def test_a_conversation_keeps_its_slot() -> None:
    slots = Slots(3)
    first = read(slots, "a", NOVA)
    read(slots, "b", ADA)
    assert read(slots, "a", NOVA + "And now?") == first


def test_a_new_one_takes_the_slot_that_was_idle_longest() -> None:
    slots = Slots(2)
    old, younger = read(slots, "a", NOVA), read(slots, "b", ADA)
    assert read(slots, "c", "Hello.").slot == old.slot
    with slots.place("b", ADA):
        read(slots, "c", "Hello.")
        assert read(slots, "d", "Hello.").slot == old.slot, "the other one computes"
    assert younger.slot != old.slot


def test_what_another_has_read_is_copied() -> None:
    slots = Slots(3)
    teacher = read(slots, "a", NOVA)
    assert read(slots, "b", NOVA + "Hello.") == Place(1, copy_of=teacher.slot)
    assert read(slots, "c", ADA) == Place(2), "nothing in common"


def test_nothing_is_copied_from_a_slot_that_computes_nor_for_a_few_words() -> None:
    slots = Slots(2)
    with slots.place("a", NOVA):
        assert read(slots, "b", NOVA).copy_of is None
    slots = Slots(2)
    read(slots, "a", NOVA[:WORTH_COPYING])
    assert read(slots, "b", NOVA[: WORTH_COPYING - 1]).copy_of is None


def test_a_slot_that_knows_the_beginning_itself_is_taught_nothing() -> None:
    slots = Slots(2)
    read(slots, "a", NOVA)
    read(slots, "b", NOVA)
    assert read(slots, "c", NOVA + "Hello.").copy_of is None
