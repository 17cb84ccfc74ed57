from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.conversation.first_clause import FirstClauseTokenizer


async def pieces(*chunks: str) -> list[str]:
    stream = FirstClauseTokenizer().stream()
    for chunk in chunks:
        stream.push_text(chunk)
    stream.end_input()
    return [piece.token async for piece in stream]


async def first_of(text: str) -> str:
    """What the voice is given while the end of `text` has not been thought yet; empty: nothing."""
    stream = FirstClauseTokenizer().stream()
    for letter in text:
        stream.push_text(letter)
    await stream.aclose()
    return "".join([piece.token async for piece in stream][:1])


@pytest.mark.parametrize(
    ("so_far", "spoken"),
    [
        ("As you told me, your ca", "As you told me,"),
        ("Your cat is Miso. She li", "Your cat is Miso."),
        ("Your cat is called Miso and she li", "Your cat is called Miso"),
        ("You like to drink peppermint tea in the e", "You like to drink peppermint tea"),
        ("Well, then", ""),
        ("I asked Dr. Smi", ""),
        ("It takes 3.5 hou", ""),
        ("Your cat is called Miso.", "Your cat is called Miso."),
        ("As you told me,", "As you told me,"),
        ("Tell that to Dr.", ""),
        ("It takes about 3.", ""),
    ],
)
async def test_the_first_clause_is_spoken_before_the_answer_is_whole(so_far: str, spoken: str) -> None:
    assert await first_of(so_far) == spoken


async def test_what_follows_are_whole_sentences() -> None:
    answer = "As you told me, she is called Miso, and she likes fish. You found her in Lisbon, on the stairs. Now six."
    assert await pieces(*answer.split(" ")[:1], *(f" {word}" for word in answer.split(" ")[1:])) == [
        "As you told me,",
        "she is called Miso, and she likes fish.",
        "You found her in Lisbon, on the stairs.",
        "Now six.",
    ]


@given(st.text(alphabet="ab A.,! \nand", max_size=80), st.integers(1, 9))
async def test_no_word_is_lost_or_said_twice(answer: str, step: int) -> None:
    said = await pieces(*(answer[place : place + step] for place in range(0, len(answer), step)))
    assert "".join("".join(said).split()) == "".join(answer.split())
