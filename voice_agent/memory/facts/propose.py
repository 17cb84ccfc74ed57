"""Proposer of facts: a language model puts a statement into sentences under a JSON schema; decide.py accepts or rejects
them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

import httpx

from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.memory.language_model import Endpoint, client_of
from voice_agent.prompt_text import quoted

MOST: Final = 4
LONGEST: Final = 160
_ANSWER_TOKENS: Final = 240
_SAID_CHARS: Final = 4_000
_DEADLINE: Final = 120.0
"""On a busy machine the request waits until no conversation needs the model."""
_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"facts": {"type": "array", "items": {"type": "string", "maxLength": LONGEST}, "maxItems": MOST}},
    "required": ["facts"],
    "additionalProperties": False,
}
_INSTRUCTION: Final = (
    "You keep notes about a user. Read what the user said and write down each lasting fact about the user's life: "
    "who and what belongs to them, names, numbers, dates, places, likes and dislikes.\n"
    'Write every fact as one short sentence about "the user". Use the user\'s own words. Keep every name, number and '
    "date.\n"
    "Do not guess and do not add anything. If nothing about the user is said, the list is empty."
)
_EXAMPLES: Final[tuple[tuple[str, list[str]], ...]] = (
    (
        "Well, my sister Ines moved to Graz, so now I never drink coffee alone, ha.",
        ["The user's sister Ines moved to Graz."],
    ),
    ("Nice weather, isn't it? Tell me something about volcanoes.", []),
    (
        "I have two rabbits, Flip and Flop, and I can't stand onions.",
        ["The user has two rabbits named Flip and Flop.", "The user cannot stand onions."],
    ),
)


class Proposer(Protocol):
    async def propose(self, statement: str, before: str = "") -> list[str]:
        """Sentences about the user. `before`: what was said just before, if the statement refers to it."""


def messages(statement: str, before: str = "") -> list[dict[str, str]]:
    found = [{"role": "system", "content": _INSTRUCTION}]
    for said, facts in _EXAMPLES:
        found.append({"role": "user", "content": said})
        found.append({"role": "assistant", "content": json.dumps({"facts": facts}, ensure_ascii=False)})
    said, earlier = quoted(statement, _SAID_CHARS), quoted(before, _SAID_CHARS)
    asked = f"(Just before: {earlier})\n{said}" if before else said
    return [*found, {"role": "user", "content": asked}]


class ChatProposer:
    """Proposer on an OpenAI-style chat endpoint."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        self._model = endpoint.model
        self._client = client_of(endpoint, headers, httpx.Timeout(_DEADLINE, connect=5.0))

    async def aclose(self) -> None:
        await self._client.aclose()

    async def propose(self, statement: str, before: str = "") -> list[str]:
        body = {
            "model": self._model,
            "messages": messages(statement, before),
            "max_tokens": _ANSWER_TOKENS,
            "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "facts", "strict": True, "schema": _SCHEMA},
            },
        }
        try:
            answer = await self._client.post("/chat/completions", json=body)
        except httpx.TransportError as error:
            raise Temporary(
                Code.LLM_FAILED, f"The language model gave no answer about facts ({type(error).__name__})."
            ) from error
        if answer.status_code in (408, 409, 425, 429) or answer.status_code >= 500:
            raise Temporary(Code.MODEL_BUSY, f"The language model took no work on facts now ({answer.status_code}).")
        if answer.status_code >= 400:
            raise Permanent(
                Code.LLM_FAILED,
                f"The language model refused work on facts ({answer.status_code}): {answer.text[:200]}",
                "It must understand response_format json_schema; see VOICE_LLM_MODEL.",
            )
        return _read(answer.text)


def _read(body: str) -> list[str]:
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
        facts = json.loads(content)["facts"]
    except (ValueError, LookupError, TypeError) as error:
        raise Temporary(Code.LLM_FAILED, "The language model's answer about facts was not to its schema.") from error
    return [" ".join(fact.split()) for fact in facts[:MOST] if isinstance(fact, str) and fact.strip()]
