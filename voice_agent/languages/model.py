"""What a language consists of: its names, and every sentence that we speak or let a language model begin with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sentences:
    """`{name}` is the person's name, `{agent}` the assistant's. A test compares the places of all languages."""

    hello: str
    hello_named: str
    welcome_back: str
    welcome_back_named: str
    we_were_at: str
    """To a person who is back soon; `{words}`: few of their own last words."""
    go_on: str
    """The same, where none may be repeated."""
    there: str
    """In place of a name that is not known, in a configured greeting."""
    no_answer: str
    not_heard: str
    recogniser_starts: str
    """Spoken while the language's recogniser is fetched or loaded."""
    cannot_take_note: str
    lost: str
    not_told_that: str
    # What an answer has to begin with: without the words a small model promises what was not done.
    not_told: str
    forgetting: str
    forgetting_failed: str
    forgotten: str
    nothing_to_forget: str
    forgotten_but_written: str
    only_written: str


@dataclass(frozen=True, slots=True)
class Language:
    code: str
    """ISO 639-1."""
    english: str
    own: str
    sentences: Sentences
    joints: str
    """Words before which a first clause may end (`first_clause.py`)."""
    answer_in: str = ""
    """Instruction of the prompt; empty: the prompt's own language."""
    reminder: str = ""
    """The same, beside each question: a small model answers in the language of the last thing it read."""
