"""Scorer of the recall benchmark, against verdicts made by hand."""

from __future__ import annotations

from datetime import date

import pytest

from tests.bench.recall_match import holds, tokens
from tests.bench.recall_people import made_up, untold
from tests.bench.recall_score import Outcome, interval, leaked, telling, untold_verdict, verdict

RIGHT, WRONG, ADMITTED, INVENTED = Outcome.RIGHT, Outcome.WRONG, Outcome.ADMITTED, Outcome.INVENTED
Asked = tuple[str, list[list[str]], list[str]]
DOG: Asked = ("What's my dog called?", [["Biscuit"]], [])
CAT: Asked = ("How old is my cat?", [["number:13"]], ["number:6"])
JOB: Asked = ("Where do I work?", [["Golden Crust"]], ["Hollis and Wren"])
TRAIN: Asked = ("When does my train go?", [["time:07:40"]], ["time:06:55"])
DENTIST: Asked = ("When do I see the dentist?", [["date:2026-12-14"]], [])
SOON: Asked = ("When's my interview?", [["date:2026-11-27", "tomorrow", "in one day", "Friday"]], [])
BIRTHDAY: Asked = ("When's my birthday?", [["day:06-03"]], [])
MOVED: Asked = ("When did I move?", [["month:2019-03"]], [])
SPORTS: Asked = ("Which sports do I do?", [["chess"], ["tennis"], ["table tennis", "ping-pong"]], [])
FISH: Asked = ("Would fish be a good dinner for me?", [["answer:no"]], [])
SWIM: Asked = ("Am I able to swim?", [["answer:no"]], [])
TEACHER: Asked = ("Who's my teacher?", [["Zoë", "O'Malley"]], [])
RENT: Asked = ("What's my rent?", [["number:1280"]], [])
ALLERGY: Asked = ("What am I allergic to?", [["walnuts", "walnut"]], [])

TABLE = [
    (DOG, "Your dog's name is Biscuit.", RIGHT, False),
    (DOG, "BISCUIT!", RIGHT, False),
    (DOG, "My dog is called Biscuit.", RIGHT, True),
    (DOG, "Her dog is named Biscuit.", RIGHT, True),
    (DOG, "The user's dog is named Biscuit.", RIGHT, True),
    (DOG, "Your dog is named Max.", WRONG, False),
    (DOG, "It's not Biscuit.", WRONG, False),
    (DOG, "I'm sorry, but I don't know your dog's name.", ADMITTED, False),
    (DOG, "You haven't told me what your dog is called.", ADMITTED, False),
    (DOG, "I don't have that information. Could you tell me?", ADMITTED, False),
    (DOG, "I have a dog named Buddy.", WRONG, True),
    (DOG, "You told me: “My dog is called Biscuit.”", RIGHT, False),
    (CAT, "Your cat is thirteen years old.", RIGHT, False),
    (CAT, "She's 13.", RIGHT, False),
    (CAT, "Your cat is 13 now, not six as you first thought.", RIGHT, False),
    (CAT, "Your cat is six or thirteen.", WRONG, False),
    (CAT, "Your cat is six years old.", WRONG, False),
    (CAT, "Your cat is 30 years old.", WRONG, False),
    (JOB, "You work at the bakery golden-crust.", RIGHT, False),
    (JOB, "You've moved from Hollis and Wren to Golden Crust.", RIGHT, False),
    (JOB, "You work for Hollis & Wren.", WRONG, False),
    (JOB, "I work at Golden Crust.", RIGHT, True),
    (JOB, "As an AI, I can't recall where you work.", ADMITTED, False),
    (TRAIN, "It leaves at 7:40.", RIGHT, False),
    (TRAIN, "At 07.40 in the morning.", RIGHT, False),
    (TRAIN, "Your train goes at seven forty.", RIGHT, False),
    (TRAIN, "Twenty minutes to eight.", RIGHT, False),
    (TRAIN, "At 7:40am, it was 6:55 before.", RIGHT, False),
    (TRAIN, "It leaves at 6:55 am.", WRONG, False),
    (TRAIN, "It leaves at forty past eight.", WRONG, False),
    (DENTIST, "Your appointment is on December 14th.", RIGHT, False),
    (DENTIST, "On the 14th of December, 2026.", RIGHT, False),
    (DENTIST, "on fourteen December", RIGHT, False),
    (DENTIST, "Monday, Dec. 14", RIGHT, False),
    (DENTIST, "2026-12-14", RIGHT, False),
    (DENTIST, "It's on 14/12/2026.", RIGHT, False),
    (DENTIST, "On December 14, 2025.", WRONG, False),
    (DENTIST, "On the 15th of December.", WRONG, False),
    (DENTIST, "I'm not sure when that is.", ADMITTED, False),
    (SOON, "Your interview is tomorrow, good luck!", RIGHT, False),
    (SOON, "It's this Friday.", RIGHT, False),
    (SOON, "It is on Friday, November 27th.", RIGHT, False),
    (SOON, "On Friday, the 4th of December.", WRONG, False),
    (SOON, "The day after tomorrow.", WRONG, False),
    (BIRTHDAY, "Your birthday is June 3rd.", RIGHT, False),
    (BIRTHDAY, "You were born on the third of June.", RIGHT, False),
    (BIRTHDAY, "My birthday is June third.", RIGHT, True),
    (BIRTHDAY, "Your birthday is on July 3rd.", WRONG, False),
    (MOVED, "You moved in March of 2019.", RIGHT, False),
    (MOVED, "In March.", WRONG, False),
    (SPORTS, "You play chess, tennis and table-tennis.", RIGHT, False),
    (SPORTS, "Chess, ping pong, and also tennis!", RIGHT, False),
    (SPORTS, "You play chess and golf.", WRONG, False),
    (FISH, "No, you don't eat fish.", RIGHT, False),
    (FISH, "Fish wouldn't suit you, since you don't eat it.", RIGHT, False),
    (FISH, "You told me that you avoid fish.", RIGHT, False),
    (FISH, "I don't eat fish.", RIGHT, True),
    (FISH, "Yes, fish is a healthy choice.", WRONG, False),
    (FISH, "Sure, why not! Fish is great.", WRONG, False),
    (FISH, "Yes, fish is a fine choice. It does not take long to cook.", WRONG, False),
    (FISH, "It depends on your taste. If it is not too dry, you might like it.", WRONG, False),
    (FISH, "No, you don't eat fish, but it depends on the fish.", RIGHT, False),
    (FISH, "I don't know whether you like fish.", ADMITTED, False),
    (FISH, "I'm sorry, I can't help with that.", ADMITTED, False),
    (SWIM, "You never learned to swim.", RIGHT, False),
    (SWIM, "Yes, you can swim.", WRONG, False),
    (TEACHER, "Your teacher was Mr OMalley.", RIGHT, False),
    (TEACHER, "It's Zoe.", RIGHT, False),
    (RENT, "You pay 1,280 a month.", RIGHT, False),
    (RENT, "It's one thousand two hundred and eighty euros.", RIGHT, False),
    (RENT, "It's 1,820.", WRONG, False),
    (ALLERGY, "You're allergic to walnuts.", RIGHT, False),
    (ALLERGY, "I am allergic to walnuts.", RIGHT, True),
    (ALLERGY, "I'm allergic to peanuts.", WRONG, True),
]


@pytest.mark.parametrize(("asked", "answer", "outcome", "wrong_person"), TABLE)
def test_what_was_told(asked: Asked, answer: str, outcome: Outcome, wrong_person: bool) -> None:
    question, accepted, rejected = asked
    found = verdict(question, answer, accepted, rejected)
    assert (found.outcome, found.wrong_person) == (outcome, wrong_person)


BLOOD, PARROT = "What's my blood type?", "What's the name of my parrot?"
UNTOLD = [
    (BLOOD, "You haven't told me that.", ADMITTED, False),
    (BLOOD, "I don't know your blood type, I'm afraid.", ADMITTED, False),
    (BLOOD, "I have no information about your blood type.", ADMITTED, False),
    (BLOOD, "You never mentioned it to me.", ADMITTED, False),
    (BLOOD, "What is your blood type?", ADMITTED, False),
    (BLOOD, "That hasn't been mentioned. It's important to know it, so ask your doctor.", ADMITTED, False),
    (BLOOD, "Your blood type is O positive.", INVENTED, False),
    (BLOOD, "You haven't told me, but your blood type is O positive.", INVENTED, False),
    (BLOOD, "My blood type is A.", INVENTED, True),
    (PARROT, "Your parrot's name is Polly.", INVENTED, False),
    (PARROT, "Polly!", INVENTED, False),
    (PARROT, "I'm not sure. You didn't tell me the name of your parrot.", ADMITTED, False),
    (PARROT, "You don't have a parrot.", INVENTED, False),
    (PARROT, "I don't remember a parrot. Could you remind me?", ADMITTED, False),
]


@pytest.mark.parametrize(("question", "answer", "outcome", "wrong_person"), UNTOLD)
def test_what_was_never_told(question: str, answer: str, outcome: Outcome, wrong_person: bool) -> None:
    found = untold_verdict(question, answer)
    assert (found.outcome, found.wrong_person) == (outcome, wrong_person)


def test_an_offer_of_the_assistant_is_not_about_itself() -> None:
    for answer in (
        "I'm happy to help with your dog.",
        "I'd love to hear more about it!",
        "I have noted that.",
        "I see.",
    ):
        assert not verdict(DOG[0], answer, DOG[1]).wrong_person, answer


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("twenty-one", ["21"]),
        ("a hundred and five", ["105"]),
        ("the twenty-first", ["the", "21th"]),
        ("Crème brûlée", ["creme", "brulee"]),
        ("1,280", ["1280"]),
        ("two hundred or three", ["200", "or", "3"]),
    ],
)
def test_words_become_comparable(text: str, wanted: list[str]) -> None:
    assert tokens(text) == wanted


def test_spaces_and_plurals_make_no_difference() -> None:
    assert holds("A cup of check up teas", "checkup tea")
    assert holds("two greyhounds", "greyhound")
    assert not holds("lemonade", "lemon")


def test_the_interval_is_wilsons() -> None:
    assert interval(9, 10) == (0.5958, 0.9821)
    assert interval(0, 30)[0] == 0.0
    assert interval(0, 0) == (0.0, 1.0)


def test_a_leak_is_a_value_that_the_asker_did_not_bring() -> None:
    theirs = ["Biscuit", "Porto"]
    assert leaked("It is Biscuit.", "What's my dog called?", theirs, ["I like tea."]) == ["Biscuit"]
    assert leaked("Porto is lovely.", "Is Porto nice?", theirs, []) == []
    assert leaked("It is Biscuit.", "What's my dog called?", theirs, ["My dog is Biscuit."]) == []


def test_small_numbers_tell_nothing() -> None:
    assert [telling(key) for key in ("number:7", "number:667", "answer:no", "Porto")] == [False, True, False, True]


@pytest.mark.parametrize("seed", range(1, 21))
def test_whoever_repeats_what_was_said_is_right(seed: int) -> None:
    person = made_up(seed, facts=60, dates=(date(2026, 11, 26),) * 6)
    for fact in person.facts:
        found = verdict(fact.question, fact.statement, fact.accepted, fact.rejected)
        assert found.outcome is Outcome.RIGHT, fact
        if fact.before:
            assert verdict(fact.question, fact.before, fact.accepted, fact.rejected).outcome is Outcome.WRONG, fact
        asked_back = verdict(fact.question, fact.question, fact.accepted, fact.rejected)
        assert asked_back.outcome is not Outcome.RIGHT, fact


@pytest.mark.parametrize("seed", [1, 2])
def test_an_untold_question_is_not_an_answer_in_itself(seed: int) -> None:
    for one in untold(seed, 22):
        assert untold_verdict(one.question, "You have not told me that.").outcome is Outcome.ADMITTED
        assert untold_verdict(one.question, "It's seven.").outcome is Outcome.INVENTED
