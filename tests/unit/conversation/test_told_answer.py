"""What was told is said again, where it is the whole answer and can be said well."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from voice_agent.conversation.told_answer import told_answer
from voice_agent.memory.facts.fact import Fact, in_own_words
from voice_agent.memory.facts.store import Owner
from voice_agent.memory.model import Block
from voice_agent.memory.recall.block_facts import block_facts
from voice_agent.memory.recall.recall import Recalled

TODAY = date(2026, 11, 28)
CAT = "The user's cat is called Pepper."


def answer(question: str, text: str) -> str:
    fact = Fact("f1", "agent-1", "user:robin", text, datetime(2026, 11, 24, tzinfo=UTC))
    return told_answer(question, Recalled((fact,), answer=fact), TODAY)


def of_block(question: str, text: str) -> str:
    (fact,) = block_facts([Block("human", text)], Owner("agent-1", ""))
    return told_answer(question, Recalled((fact,), answer=fact), TODAY)


@pytest.mark.parametrize(
    ("question", "fact", "said"),
    [
        ("What is my cat called?", CAT, "Your cat is called Pepper."),
        ("Do you remember what my cat is called?", CAT, "Your cat is called Pepper."),
        ("Which instrument do I play?", "The user plays the cello.", "You play the cello."),
        ("Am I allergic to nuts?", "The user is allergic to walnuts.", "You are allergic to walnuts."),
        ("When is my exam?", "The user's exam is on Monday 30 November 2026.", "Your exam is on Monday."),
        ("What is my name?", "The user's name is Robin.", "Your name is Robin."),
    ],
)
def test_a_plain_question_is_answered_by_the_fact(question: str, fact: str, said: str) -> None:
    assert answer(question, fact) == said


@pytest.mark.parametrize(
    ("question", "block", "said"),
    [
        ("Which instrument do I play?", "They play the cello.", "You play the cello."),
        ("Where was I born?", "He was born in Cork.", "You were born in Cork."),
        ("How old is my son?", "Their son Max is 6.", "Your son Max is 6."),
        (
            "Where do I want to go?",
            "They want to visit Bath and asked me to help.",
            "You want to visit Bath and asked me to help.",
        ),
        ("Which pets do I have?", "They love their cat Fred.", ""),
        ("Which pets do I have?", "It rains cats and dogs.", ""),
    ],
)
def test_so_is_what_stands_in_a_block(question: str, block: str, said: str) -> None:
    assert of_block(question, block) == said


@pytest.mark.parametrize(
    "question",
    [
        "Why is my cat called Pepper?",
        "What is my cat called and what does she eat?",
        "What is my cat called? Tell me a joke about her.",
        "What should I feed my cat?",
        "Which pets do I have besides my cat?",
        "Write a poem about my cat.",
        "My cat is ill.",
        "What is the capital of France?",
        "What is my cat called, the one that we brought home from the shelter in the north last winter?",
    ],
)
def test_what_wants_more_than_a_fact_is_answered_by_the_llm(question: str) -> None:
    assert answer(question, CAT) == ""


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("What is my cat called?", "The user has a cat."),
        ("When is my exam?", "The user's exam is difficult."),
        ("What is my cat called?", in_own_words("Our cat? We named her Pepper.")),
        ("Which instrument do I play?", "The user plays the cello and she hates the user."),
    ],
)
def test_a_fact_that_does_not_tell_it_or_cannot_be_said_is_no_answer(question: str, fact: str) -> None:
    assert answer(question, fact) == ""


def test_what_was_never_told_is_admitted() -> None:
    assert told_answer("What is my cat called?", Recalled(untold=True), TODAY) == "You have not told me that."
    assert told_answer("Write a poem about my cat.", Recalled(untold=True), TODAY) == ""


def test_without_one_sure_fact_there_is_none() -> None:
    fact = Fact("f1", "agent-1", "user:robin", CAT, datetime(2026, 11, 24, tzinfo=UTC))
    assert told_answer("What is my cat called?", Recalled((fact,)), TODAY) == ""
