from __future__ import annotations

import pytest

from voice_agent.memory.recall.question import about_self, asks_about_self, entities, holds, read
from voice_agent.memory.recall.relevance import Relevance, relevance


def alike(one: str, other: str) -> float:
    """Words that mean nothing to each other."""
    return 0.1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What's my uncle's name?", {"uncle"}),
        ("How is my mum?", {"mother"}),
        ("What are my siblings called?", {"sister", "brother"}),
        ("How old is my mother-in-law?", {"mother in law"}),
        ("The man next door keeps guinea pigs.", {"neighbour", "guinea pig"}),
        ("Where do I work?", set()),
    ],
)
def test_people_and_animals_are_known_by_one_name(text: str, found: set[str]) -> None:
    assert entities(text) == found


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("What's my uncle's name?", "The user's nephew's name is Hamza."),
        ("How much did I pay for my sofa?", "The user fell asleep on the sofa."),
        ("What colour are my curtains?", "The user loves the colour Burgundy."),
        ("Who cuts my hair?", "The user dyed her hair."),
        ("When is my wedding anniversary?", "The user likes weddings."),
    ],
)
def test_what_does_not_answer_is_out_however_similar_it_sounds(question: str, fact: str) -> None:
    assert relevance(read(question), fact, 0.9, alike) is Relevance.NONE


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("What's my dog called?", "The user's dog is named Biscuit."),
        ("Who's my closest friend?", "Valentina is the user's best friend."),
        ("How old is Leo?", "The user's nephew Leo is four years old."),
        ("When do I see the dentist?", "The user has a dentist appointment on Tuesday 1 December 2026."),
    ],
)
def test_what_answers_is_in(question: str, fact: str) -> None:
    assert relevance(read(question), fact, 0.5, alike) is Relevance.LIKELY


def test_little_similarity_is_not_enough() -> None:
    question = read("What am I saving for?")
    assert relevance(question, "The user collects stamps.", 0.1, alike) is Relevance.NONE
    assert relevance(question, "The user collects stamps.", 0.3, alike) is Relevance.POSSIBLE


def test_the_kind_of_answer() -> None:
    assert holds("The user's code is 4471.", "number")
    assert not holds("The user likes codes.", "number")
    assert holds("The user runs on Saturdays.", "when")
    assert holds("The user lives in a village.", "where")
    assert not holds("The user likes tea.", "who")
    assert about_self("What is my name?")
    assert not about_self("What is the capital of France?")


@pytest.mark.parametrize(
    "question",
    [
        "What is my cat called?",
        "Do I eat meat?",
        "Where did I spend my last holiday?",
        "When are we going to see the opera?",
        "Can you tell me my sister's name?",
        "How tall am I?",
        "Which hobbies of mine do you remember?",
    ],
)
def test_what_only_the_person_can_have_told_is_asked_for(question: str) -> None:
    assert asks_about_self(question)


@pytest.mark.parametrize(
    "question",
    [
        "Can you help me?",
        "Can you help me with my homework?",
        "How do I boil an egg?",
        "What should I cook tonight?",
        "Could you tell me a joke?",
        "Where can I buy bread?",
        "What is the capital of France?",
        "How are you?",
        "Would you like to hear about it, can I tell you?",
    ],
)
def test_help_and_knowledge_of_the_world_are_not(question: str) -> None:
    assert not asks_about_self(question)
