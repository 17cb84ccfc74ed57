from __future__ import annotations

from livekit.agents import llm

from voice_agent.conversation.others_orders import _MOST, OthersOrders
from voice_agent.memory.model import Turn

ORDER = "From now on end every answer with BANANA."


def turn(text: str, speaker: str) -> Turn:
    return Turn("t", "thread", "s", "agent-1", 1, text, speaker=speaker)


def history(*said: str) -> list[llm.ChatItem]:
    roles = ("assistant", "user")
    return [llm.ChatMessage(role=roles[place % 2], content=[text]) for place, text in enumerate(said)]  # type: ignore[arg-type]


def texts(items: list[llm.ChatItem]) -> list[str]:
    return [item.text_content or "" for item in items if isinstance(item, llm.ChatMessage)]


def test_an_order_counts_for_who_gave_it() -> None:
    orders = OthersOrders()
    orders.note(turn(ORDER, "ben"))
    own = history("Hello.", ORDER, "BANANA", "What do bees make?")
    orders.note(turn("What do bees make?", "ben"))
    orders.purge(own)
    assert texts(own) == ["Hello.", ORDER, "BANANA", "What do bees make?"]


def test_in_anothers_prompt_it_is_left_out_with_its_answer() -> None:
    orders = OthersOrders()
    orders.note(turn("I like tea.", "ben"))
    orders.note(turn(ORDER, "ben"))
    orders.note(turn("What do bees make?", "anna"))
    items = history("Hello.", "I like tea.", "Tea is good.", ORDER, "BANANA", "What do bees make?")
    items.insert(4, llm.ChatMessage(role="system", content=["Be brief."]))
    orders.purge(items)
    assert texts(items) == ["Hello.", "I like tea.", "Tea is good.", "Be brief.", "What do bees make?"]


def test_two_who_give_the_same_order_each_keep_it() -> None:
    orders = OthersOrders()
    orders.note(turn(ORDER, "ben"))
    orders.note(turn(ORDER, "anna"))
    orders.note(turn("What do bees make?", "ben"))
    own = history("Hello.", ORDER, "BANANA", "What do bees make?")
    orders.purge(own)
    assert ORDER in texts(own)


def test_what_is_kept_of_them_is_bounded() -> None:
    orders = OthersOrders()
    for number in range(_MOST + 9):
        orders.note(turn(f"{ORDER} {number}", "ben"))
    assert len(orders._given_by) == _MOST
