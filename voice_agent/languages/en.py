"""English."""

from __future__ import annotations

from typing import Final

from voice_agent.languages.model import Language, Sentences

ENGLISH: Final = Language(
    code="en",
    english="English",
    own="English",
    joints="and but or because which who that when where while so if in on at with for from to by about after before",
    sentences=Sentences(
        hello="Hello, this is {agent}. How can I help you?",
        hello_named="Hello, {name}, this is {agent}. How can I help you?",
        welcome_back="Welcome back. What would you like to talk about?",
        welcome_back_named="Welcome back, {name}. What would you like to talk about?",
        we_were_at="We were at: “{words}”.",
        go_on="Here we are again. Please go on.",
        there="there",
        no_answer="Sorry, I could not think of an answer just now. Please say that again.",
        not_heard="Sorry, I could not make that out. Please say it again.",
        recogniser_starts="One moment, I am still getting ready to listen. Please say it again soon.",
        cannot_take_note="Sorry, I cannot write down what you say just now. Please try again soon.",
        lost="Sorry, I lost what you just said. Please say it again.",
        not_told="You have not told me",
        not_told_that="You have not told me that.",
        forgetting="I am forgetting it now",
        forgetting_failed="I could not forget that just now",
        forgotten="I have forgotten it",
        nothing_to_forget="There is nothing of that kind that I know",
        forgotten_but_written="I have forgotten what you told me, but it still stands in my notes",
        only_written="I cannot forget that myself: it stands in my notes",
    ),
)
