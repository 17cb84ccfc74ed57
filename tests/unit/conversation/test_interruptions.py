"""What interrupts: the onset of a sound, and what was recognised of it."""

from __future__ import annotations

import pytest

from voice_agent.conversation.interruptions import (
    AFTER_BURST,
    BELOW_OWN,
    BURST,
    FLOOR,
    ONSET,
    PHRASES,
    SHORT,
    SURE,
    WITHOUT_WORDS,
    Onset,
    Verdict,
    judge,
    words_of,
)

WINDOW = 0.032
LONG = SHORT + 0.1
OWN = -20.0
SAYS = "The first harbour on our way lies behind a narrow island full of birches."


class Microphone:
    def __init__(self) -> None:
        self.onset = Onset()

    def hears(
        self,
        seconds: float,
        probability: float = 1.0,
        level: float = -25.0,
        *,
        words: bool = False,
        echo: bool = False,
    ) -> bool:
        for _ in range(round(seconds / WINDOW)):
            self.onset.hears(probability, level, OWN, WINDOW, words=words, echo=echo)
        return self.onset.holds

    def is_echo(self) -> bool:
        return self.onset.is_echo

    def silence(self, seconds: float) -> bool:
        return self.hears(seconds, probability=0.0, level=-70.0)


def test_the_voice_is_held_within_a_tenth_of_a_second_of_speech() -> None:
    microphone = Microphone()
    assert not microphone.hears(WINDOW)
    assert microphone.hears(ONSET)


@pytest.mark.parametrize(
    ("probability", "level"),
    [(SURE - 0.1, -25.0), (1.0, FLOOR - 1), (1.0, OWN - BELOW_OWN - 1)],
    ids=["not like speech", "too quiet", "an echo behind echo cancellation"],
)
def test_what_is_no_speech_or_quiet_holds_nothing(probability: float, level: float) -> None:
    assert not Microphone().hears(2.0, probability, level)


def test_single_windows_hold_nothing() -> None:
    microphone = Microphone()
    for _ in range(10):
        assert not microphone.hears(WINDOW)
        assert not microphone.silence(2 * WINDOW)


def test_a_burst_is_over_soon_and_speech_is_not() -> None:
    cough, speech = Microphone(), Microphone()
    cough.onset.begin()
    assert cough.hears(BURST - 0.1)
    assert not cough.silence(AFTER_BURST + WINDOW)
    speech.onset.begin()
    assert speech.hears(BURST + 0.1)
    assert speech.silence(AFTER_BURST + WINDOW), "its words decide"


def test_voices_without_words_hold_for_a_limited_time_once() -> None:
    microphone = Microphone()
    microphone.onset.begin()
    assert not microphone.hears(WITHOUT_WORDS + 0.2)
    assert not microphone.hears(2.0), "not again in this utterance"
    microphone.onset.end()
    microphone.onset.begin()
    assert microphone.hears(0.2)
    assert microphone.hears(WITHOUT_WORDS + 1, words=True), "whoever says words may go on"


def test_what_was_no_interruption_does_not_hold_again() -> None:
    microphone = Microphone()
    microphone.onset.begin()
    assert microphone.hears(0.3)
    microphone.onset.was_nothing()
    assert not microphone.hears(0.3)


def test_an_echo_holds_nothing_and_who_speaks_over_it_is_heard() -> None:
    microphone = Microphone()
    microphone.onset.begin()
    assert not microphone.hears(1.0, echo=True)
    assert microphone.is_echo()
    assert microphone.hears(0.1)
    assert not microphone.is_echo(), "what is said over an echo is judged by its words"
    microphone.onset.end()
    microphone.onset.begin()
    assert not microphone.is_echo()


@pytest.mark.parametrize("text", ["Stop.", "No!", "Wait, no.", "Hold on", "What?", "Okay, stop.", "stop stop stop"])
@pytest.mark.parametrize("voice", [0.1, 3.0])
def test_a_call_interrupts_however_short(text: str, voice: float) -> None:
    assert judge(text, voice, SAYS) is Verdict.INTERRUPTS


@pytest.mark.parametrize(
    "text", ["Uh-huh.", "Mm-hmm.", "Mmmm", "Yeah, yeah.", "Okay.", "Right, I see.", "Hahaha!", "Yes."]
)
def test_a_backchannel_does_not_however_long(text: str) -> None:
    assert judge(text, 2.0, SAYS) is Verdict.BACKCHANNEL


def test_other_words_interrupt_if_they_are_more_than_a_murmur() -> None:
    assert judge("I thought.", SHORT, SAYS) is Verdict.BACKCHANNEL, "what a recogniser makes of uh-huh"
    assert judge("Tell me about my cat.", LONG, SAYS) is Verdict.INTERRUPTS
    assert judge("Yes, but my cat is older.", LONG, SAYS) is Verdict.INTERRUPTS


@pytest.mark.parametrize("text", ["", "…", " . "])
def test_nothing_recognised_is_no_interruption(text: str) -> None:
    assert judge(text, 3.0, SAYS) is Verdict.NO_WORDS


def test_yes_to_a_question_that_has_just_been_asked_is_an_answer() -> None:
    assert judge("Yes.", 0.3, "Shall I go on?", answers=True) is Verdict.INTERRUPTS
    assert judge("Tomorrow.", 0.3, "When shall I go on?", answers=True) is Verdict.INTERRUPTS


def test_its_own_words_are_an_echo_and_a_few_of_them_are_not() -> None:
    assert judge("harbor on our way lies behind the narrow island", LONG, SAYS) is Verdict.ECHO
    assert judge("the island", LONG, SAYS) is Verdict.INTERRUPTS
    assert judge("Is the harbour behind my island full of fish?", LONG, SAYS) is Verdict.INTERRUPTS


@pytest.mark.parametrize(
    ("language", "aside", "call"), [("de", "Ja, genau.", "Halt!"), ("es-MX", "Sí, claro.", "¡Espera!")]
)
def test_each_language_has_its_own(language: str, aside: str, call: str) -> None:
    assert judge(aside, 1.0, SAYS, language) is Verdict.BACKCHANNEL
    assert judge(call, 0.3, SAYS, language) is Verdict.INTERRUPTS


def test_in_an_unknown_language_any_word_interrupts() -> None:
    assert judge("Igen.", 0.2, SAYS, "hu") is Verdict.INTERRUPTS


def test_no_phrase_is_both() -> None:
    for language, phrases in PHRASES.items():
        assert not phrases.backchannels & phrases.calls, language
        assert all(phrase for some in (phrases.backchannels, phrases.calls) for phrase in some), language
        assert all(words_of(" ".join(phrase)) == [*phrase] for phrase in phrases.calls), language
