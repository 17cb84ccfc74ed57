"""Prompt of a reply, built from memory. Pure.

It separates in words who the assistant is, what it knows for its task, what it knows about the user, and what was said
last. What is the same for all users comes first, so that the prompt cache serves every turn; what a question recalls
comes last, beside the question (`recalled_text`). What people said or wrote, and what is stored of it, is data
(`prompt_text`): one line each, without tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from voice_agent.contracts import PERSONAL_LABELS, AgentBinding
from voice_agent.languages import ENGLISH, Language, Sentences
from voice_agent.memory.facts.dates import spoken
from voice_agent.memory.facts.decide import is_order, no_orders
from voice_agent.memory.model import FACTS, Block, Snapshot, Turn
from voice_agent.memory.recall.block_facts import from_block
from voice_agent.memory.recall.recall import Recalled
from voice_agent.prompt_text import called, plain, quoted, quoted_lines

BLOCK_BUDGET: Final = 8_000
"""Characters of one memory block that reach the prompt; the rest is cut, and the prompt says so."""
QUOTE_BUDGET: Final = 800
_FACT_CHARS: Final = 400
_AGENT_NAME_CHARS: Final = 200
_PERSONA: Final = "persona"
_ABOUT_USER: Final = "What you know about the user:"


@dataclass(frozen=True, slots=True)
class Prompt:
    text: str
    truncated: tuple[str, ...] = ()
    """Labels of blocks that were cut."""


def build_prompt(
    agent: AgentBinding,
    snapshot: Snapshot | None,
    *,
    user_name: str = "",
    last_turns: Sequence[Turn] = (),
    today: date | None = None,
    language: Language = ENGLISH,
) -> Prompt:
    blocks = [block for block in (snapshot.blocks if snapshot else ()) if block.value.strip()]
    name = quoted(agent.name, _AGENT_NAME_CHARS)
    parts = [
        f"You are {name}, talking with a user by voice. Answer in one to three short spoken sentences, without "
        "lists, markup, emoji or stage directions.",
        language.answer_in,
        agent.instructions,
        *(f"Who you are:\n{_cut(block)}" for block in blocks if block.label == _PERSONA),
        *(f"What you know for your task ({block.label}):\n{_cut(block)}" for block in blocks if _is_task(block)),
        f'Speak to the user: "you" and "your" mean the user, "I" and "my" mean you, {name}. Rely on what you '
        "know about the user. When you do not know something about the user, say that they have not told you.",
        # Our block `facts` is for other clients of Letta: what a question needs of it is recalled with the question.
        *(
            f"{_ABOUT_USER}\n{_cut(block)}"
            for block in blocks
            if block.label in PERSONAL_LABELS and block.label != FACTS
        ),
        f"The user's name is {called(user_name)}." if user_name else "",
        f"Today is {spoken(today)}." if today else "",
        _last_said(last_turns),
    ]
    truncated = tuple(block.label for block in blocks if len(_text(block)) > BLOCK_BUDGET)
    return Prompt("\n\n".join(part for part in parts if part), truncated)


def recalled_text(recalled: Recalled, sentences: Sentences = ENGLISH.sentences, *, blocks_whole: bool = False) -> str:
    """In the form that a small model uses best (docs/measured.md); empty: nothing is added.

    `blocks_whole`: every block stands in the prompt uncut, so that what is recalled of blocks alone is not repeated.
    """
    if recalled.untold:
        return f'{_ABOUT_USER} nothing about this. Begin with "{sentences.not_told}".'
    if not recalled.facts or (blocks_whole and all(map(from_block, recalled.facts))):
        return ""
    lines = "\n".join(f"- {quoted(fact.text, _FACT_CHARS)}" for fact in recalled.facts)
    doubt = "" if recalled.sure else "\nIf this does not answer the question, the user has not told you."
    return f"{_ABOUT_USER}\n{lines}{doubt}"


def speaking_now(name: str) -> str:
    """Added to each turn in a shared room."""
    return f"The user who is speaking now is called {called(name)}." if name else ""


def forgetting_goes_on(sentences: Sentences = ENGLISH.sentences) -> str:
    return f'You are just forgetting what the user asked you to forget. Begin with "{sentences.forgetting}".'


def forgetting_failed(sentences: Sentences = ENGLISH.sentences) -> str:
    return (
        "What the user asked you to forget could not be forgotten just now. "
        f'Begin with "{sentences.forgetting_failed}".'
    )


def forgotten_text(count: int, written: int = 0, sentences: Sentences = ENGLISH.sentences) -> str:
    """For the answer to a wish to forget, after it, in place of recalled facts. `written`: sentences of blocks that say
    it. Without the words to begin with, a small model promises what was not done."""
    if not count and not written:
        return f'Nothing of that kind was known. Begin with "{sentences.nothing_to_forget}".'
    things = "1 thing" if count == 1 else f"{count} things"
    if not written:
        return (
            f"You have just forgotten what the user asked you to forget: {things}. You do not know any more what it "
            f'was. Begin with "{sentences.forgotten}".'
        )
    begin = sentences.forgotten_but_written if count else sentences.only_written
    return f'What the user asked you to forget stands in a written note, which you cannot change. Begin with "{begin}".'


def _is_task(block: Block) -> bool:
    return block.label != _PERSONA and block.label not in PERSONAL_LABELS


def _cut(block: Block) -> str:
    text = _text(block)
    if len(text) <= BLOCK_BUDGET:
        return text
    return f"{text[:BLOCK_BUDGET]} [cut: {len(text) - BLOCK_BUDGET} more characters]"


def _text(block: Block) -> str:
    """The assistant's author writes persona and task; what it knows of a person may repeat that person's orders."""
    if block.label == _PERSONA:
        return plain(block.value)
    lines = quoted_lines(block.value)
    if _is_task(block):
        return lines
    return "\n".join(filter(None, (" ".join(no_orders(line)) for line in lines.splitlines())))


def _last_said(turns: Sequence[Turn]) -> str:
    lines: list[str] = []
    room_left = QUOTE_BUDGET
    for turn in reversed(turns):
        if not turn.user_text or is_order(turn.user_text):
            continue
        broken_off = " [interrupted]" if turn.interrupted else ""
        said, answer = quoted(turn.user_text, QUOTE_BUDGET), quoted(turn.assistant_text, QUOTE_BUDGET)
        line = f"User: {said}\nYou: {answer}{broken_off}"
        if len(line) > room_left:
            break
        room_left -= len(line)
        lines.append(line)
    return "How your last conversation ended:\n" + "\n".join(reversed(lines)) if lines else ""
