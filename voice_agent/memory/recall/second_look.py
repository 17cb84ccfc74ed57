"""Second look at found facts: a small language model says in one word whether they answer the question.

Similarity cannot tell "my niece studies" from "my cousin studies", and a small model that is given the wrong fact with
its question invents an answer from it. Asked for nothing but yes or no, it tells them apart (docs/measured.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import httpx

from voice_agent.memory.language_model import Endpoint, client_of
from voice_agent.prompt_text import quoted

DEADLINE: Final = 4.0
"""Seconds. An answer waits for it. A machine that reads 20 tokens a second takes 1 to 3 s
(docs/adr/0011-facts-and-recall.md)."""
_INSTRUCTION: Final = (
    "You check a note about a user against a question of the user. Does the note tell the answer? Say yes only if the "
    "note is about the same person and thing and holds what is asked for. Answer yes or no."
)
_EXAMPLES: Final = (
    ("The user's sister Ines moved to Graz.", "Where does my sister live?", "yes"),
    ("The user's sister Ines moved to Graz.", "Where does my brother live?", "no"),
    ("The user's sister Ines moved to Graz.", "How old is my sister?", "no"),
    ("I can't do without my two rabbits, Flip and Flop.", "What pets have I got?", "yes"),
    ("The user plays chess on Tuesdays.", "What do I play on Fridays?", "no"),
    ("The user does not eat meat.", "Would I like a steak?", "yes"),
    ("The user would walk a mile for a plate of gnocchi.", "What's my favourite meal?", "yes"),
)
_ONE_WORD: Final = {"max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": 20}
_LONGEST: Final = 600
"""Characters."""
_NEVER: Final = 1e-9
"""Probability of a word that is not among the likeliest."""


class SecondLook(Protocol):
    async def odds(self, facts: Sequence[str], question: str) -> float | None:
        """Log odds that the facts tell the answer; None: unknown."""


class NoSecondLook:
    """No second look, where the language model is not ours: it is large enough to see for itself what answers a
    question."""

    async def odds(self, facts: Sequence[str], question: str) -> float | None:
        return None


class ChatSecondLook:
    """Second look on an OpenAI-style chat endpoint that returns log probabilities."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        self._model = endpoint.model
        self._client = client_of(endpoint, headers, httpx.Timeout(DEADLINE))

    async def aclose(self) -> None:
        await self._client.aclose()

    async def odds(self, facts: Sequence[str], question: str) -> float | None:
        body = {"model": self._model, "messages": messages(facts, question), **_ONE_WORD}
        try:
            answer = await self._client.post("/chat/completions", json=body)
            return log_odds(answer.json()) if answer.status_code < 400 else None
        except (httpx.TransportError, ValueError):
            return None


def messages(facts: Sequence[str], question: str) -> list[dict[str, str]]:
    found = [{"role": "system", "content": _INSTRUCTION}]
    for note, asked, answer in _EXAMPLES:
        found += [{"role": "user", "content": _put(note, asked)}, {"role": "assistant", "content": answer}]
    return [*found, {"role": "user", "content": _put(" ".join(facts), question)}]


def log_odds(answer: Any) -> float | None:
    """Log odds from a chat completion; None: it has no log probabilities."""
    try:
        likely = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        told = [(str(word["token"]).strip().lower(), math.exp(word["logprob"])) for word in likely]
    except (LookupError, TypeError):
        return None
    yes = _NEVER + sum(probability for word, probability in told if word == "yes")
    no = _NEVER + sum(probability for word, probability in told if word == "no")
    return math.log(yes / no)


def _put(note: str, question: str) -> str:
    return f"Note: {quoted(note, _LONGEST)}\nQuestion: {quoted(question, _LONGEST)}"
