from __future__ import annotations

import pytest

from voice_agent.memory.recall.question import asks_about_self, asks_everything, entities, holds, plainly, read
from voice_agent.memory.recall.relevance import Evidence, Relevance, grade, relevance


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


def judged(question: str, told: str, similarity: float) -> Relevance:
    return grade(relevance(read(question), Evidence(told, similarity, similarity, similarity)))


@pytest.mark.parametrize(
    ("question", "told", "other"),
    [
        ("What's my uncle's name?", "My uncle's name is Hamza.", "My nephew's name is Hamza."),
        ("How much did I pay for my sofa?", "I paid 300 for my sofa.", "I fell asleep on the sofa."),
        ("When do I see the dentist?", "I see the dentist on Tuesday.", "I like the dentist."),
    ],
)
def test_of_two_that_sound_alike_the_one_that_can_answer_is_surer(question: str, told: str, other: str) -> None:
    asked = read(question)
    surer, less = (relevance(asked, Evidence(text, 0.5, 0.5, 0.5)) for text in (told, other))
    assert surer > less


def test_similarity_decides_where_nothing_else_does() -> None:
    fact = "The user's dog is named Biscuit."
    assert judged("What's my dog called?", fact, 0.7) is Relevance.LIKELY
    assert judged("What's my dog called?", fact, 0.35) is Relevance.POSSIBLE
    assert judged("What am I saving for?", "The user collects stamps.", 0.1) is Relevance.NONE


def test_the_kind_of_answer() -> None:
    assert read("What do we call our cat?").asks == "name"
    assert holds("The user's code is 4471.", "number")
    assert not holds("The user likes codes.", "number")
    assert holds("The user runs on Saturdays.", "when")
    assert holds("The user lives in a village.", "where")
    assert not holds("The user likes tea.", "who")
    assert asks_everything("What do you know about me?")
    assert not asks_everything("What do you know about France?")


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
        "Who drives me to work on Mondays?",
        "How do I take my tea?",
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
        "Who can help me?",
        "Does anybody believe me?",
        "Does it bother you to call me back?",
        "Would you like to hear about it, can I tell you?",
    ],
)
def test_help_and_knowledge_of_the_world_are_not(question: str) -> None:
    assert not asks_about_self(question)


@pytest.mark.parametrize("question", ["Who am I?", "Do you know who you're talking to?", "So what am I called again?"])
def test_questions_for_ones_own_name_are_one_question(question: str) -> None:
    assert plainly(question) == "What is my name?"


@pytest.mark.parametrize("question", ["What is my dog called?", "Who am I meeting on Friday?", "What is my name day?"])
def test_other_questions_stay_as_they_are(question: str) -> None:
    assert plainly(question) == question
