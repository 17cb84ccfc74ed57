"""Trial of a language model: twenty tasks of an assistant, in the assistant's own words, and its speed.

The tasks are few and fixed: they tell a model that does not serve from one that does, not two good ones apart.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

import httpx

from voice_agent.contracts import AgentBinding
from voice_agent.errors import Code, Temporary, VoiceAgentError
from voice_agent.memory.facts.fact import UNDATED, Fact, FactSource
from voice_agent.memory.facts.propose import ChatProposer
from voice_agent.memory.language_model import client_of
from voice_agent.memory.prompt import build_prompt, recalled_text
from voice_agent.memory.recall.recall import Recalled
from voice_agent.providers.endpoints import Endpoint

EDITION: Final = 1
"""Figures of another edition are not comparable."""
_DEADLINE: Final = 60.0
_ANSWER_TOKENS: Final = 60
_SPEED_TOKENS: Final = 120
_WORSE_BY: Final = 2
"""Tasks; one is chance."""
_SLOWER: Final = 0.6

RECALL: Final[tuple[tuple[tuple[str, ...], str, str], ...]] = (
    (("The user's sister Tamsin is a vet in Galway.",), "What does my sister do for a living?", r"\bvet"),
    (("The user's car is a green Skoda.", "The user's bike is red."), "What colour is my car?", r"\bgreen\b"),
    (("The user flies to Oslo on the 4th of March.",), "Which city am I flying to in March?", r"\boslo\b"),
    (("The user is allergic to walnuts.",), "Is there a nut that I must not eat?", r"\bwalnut"),
    (("The user's locker has the number 212.",), "What number does my locker have?", r"\b212\b|two[ -]twelve"),
    ((), "What is the name of my dentist?", r"not told|n't told|not know|n't know|not mention|n't mention"),
    ((), "When does my course begin?", r"not told|n't told|not know|n't know|not mention|n't mention"),
    ((), "Which instrument does my brother play?", r"not told|n't told|not know|n't know|not mention|n't mention"),
)
"""What is known, a question, and a pattern of right answers."""
FACTS: Final[tuple[tuple[str, str], ...]] = (
    ("My neighbour Ulrike keeps bees on her balcony.", r"ulrike.*bees"),
    ("We moved here from Ghent in 2019, after the flood.", r"ghent.*2019|2019.*ghent"),
    ("I really can't stand coriander, it tastes of soap.", r"coriander"),
    ("My daughter Noor turns nine on the second of June.", r"noor.*(?:nine|june|second)"),
    ("I work nights at a bakery, so please keep it short.", r"baker"),
    ("What is the capital of Norway, do you know?", ""),
)
"""A statement, and a pattern that its facts must match; empty: there is none."""
TOOLS: Final[tuple[tuple[str, str, str], ...]] = (
    ("Please set a timer for twelve minutes.", "set_timer", r"\b12\b|twelve"),
    ("What's the weather going to be in Bergen tomorrow?", "get_weather", r"bergen"),
    ("Book a table for four at seven this evening.", "book_table", r"\b4\b|four"),
    ("Will it rain in Porto today?", "get_weather", r"porto"),
    ("Thank you, that was all.", "", ""),
    ("Tell me what a lighthouse is for.", "", ""),
)
"""A request, the tool that it needs, and a pattern of its arguments."""
_STORIES: Final = ("a lighthouse", "a beehive", "a night train")


def _tool(name: str, about: str, **arguments: str) -> dict[str, Any]:
    properties = {argument: {"type": kind} for argument, kind in arguments.items()}
    parameters = {"type": "object", "properties": properties, "required": list(arguments)}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


_TOOLBOX: Final = (
    _tool("set_timer", "Sets a timer.", minutes="integer"),
    _tool("get_weather", "The weather of a place.", place="string"),
    _tool("book_table", "Books a table in our restaurant.", people="integer", time="string"),
)


@dataclass(frozen=True)
class Figures:
    recall: int
    facts: int
    tools: int
    words_per_second: float

    @property
    def right(self) -> int:
        return self.recall + self.facts + self.tools

    def __str__(self) -> str:
        return (
            f"recall {self.recall} of {len(RECALL)}, facts {self.facts} of {len(FACTS)}, tools {self.tools} of "
            f"{len(TOOLS)}, {self.words_per_second:.0f} words a second"
        )

    def as_json(self) -> str:
        return json.dumps({"edition": EDITION, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> Figures | None:
        """None: they are of another edition, or not readable."""
        try:
            fields = json.loads(text)
            return cls(**fields) if fields.pop("edition") == EDITION else None
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def shortfall(found: Figures, default: Figures) -> str:
    """Why the model is not used; empty: it is."""
    tasks = len(RECALL) + len(FACTS) + len(TOOLS)
    if found.right <= default.right - _WORSE_BY:
        return f"it got {found.right} of {tasks} tasks right, the default {default.right}"
    if found.words_per_second < default.words_per_second * _SLOWER:
        return f"it says {found.words_per_second:.0f} words a second, the default {default.words_per_second:.0f}"
    return ""


async def try_out(endpoint: Endpoint) -> Figures:
    """Raises Temporary when the endpoint does not answer."""
    client = client_of(endpoint, {}, httpx.Timeout(_DEADLINE, connect=5.0))
    proposer = ChatProposer(endpoint, {})
    try:
        return Figures(
            recall=await _recall(client, endpoint.model),
            facts=await _facts(proposer),
            tools=await _tools(client, endpoint.model),
            words_per_second=await _speed(client, endpoint.model),
        )
    except httpx.TransportError as error:
        raise Temporary(
            Code.LLM_FAILED, f"{endpoint.model} gave no answer in its trial ({type(error).__name__})."
        ) from error
    finally:
        await client.aclose()
        await proposer.aclose()


def _prompt() -> dict[str, str]:
    agent = AgentBinding(agent_id="trial", letta_agent_id="trial", name="Ada")
    return {"role": "system", "content": build_prompt(agent, None, today=date(2026, 3, 2)).text}


async def _recall(client: httpx.AsyncClient, model: str) -> int:
    right = 0
    for known, question, answer in RECALL:
        facts = tuple(Fact(text, "trial", "trial", text, UNDATED, FactSource.LETTA) for text in known)
        note = {"role": "system", "content": recalled_text(Recalled(facts, untold=not facts))}
        asked = {"role": "user", "content": question}
        messages = [_prompt(), note, asked] if facts else [_prompt(), asked, note]
        said = await _answer(client, {"model": model, "messages": messages, "max_tokens": _ANSWER_TOKENS})
        right += bool(re.search(answer, str(said.get("content") or "").replace("’", "'"), re.IGNORECASE))
    return right


async def _facts(proposer: ChatProposer) -> int:
    right = 0
    for statement, pattern in FACTS:
        try:
            found = " ".join(await proposer.propose(statement))
        except VoiceAgentError:
            continue
        right += bool(re.search(pattern, found, re.IGNORECASE)) if pattern else not found
    return right


async def _tools(client: httpx.AsyncClient, model: str) -> int:
    right = 0
    for request, name, pattern in TOOLS:
        messages = [_prompt(), {"role": "user", "content": request}]
        body = {"model": model, "messages": messages, "tools": list(_TOOLBOX), "max_tokens": _ANSWER_TOKENS}
        right += _is_right(await _answer(client, body), name, pattern)
    return right


def _is_right(said: dict[str, Any], name: str, pattern: str) -> bool:
    calls: Sequence[dict[str, Any]] = said.get("tool_calls") or ()
    if not name or not calls:
        return not name and not calls
    called = calls[0].get("function") or {}
    return called.get("name") == name and bool(re.search(pattern, str(called.get("arguments")), re.IGNORECASE))


async def _answer(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    """The message; an empty one when the request was refused: that task is not done."""
    answer = await client.post("/chat/completions", json={"temperature": 0, **body})
    try:
        return dict(answer.json()["choices"][0]["message"])
    except (ValueError, LookupError, TypeError):
        return {}


async def _speed(client: httpx.AsyncClient, model: str) -> float:
    """Words a second from the first piece of an answer on: the median of three answers."""
    return statistics.median([await _pace(client, model, about) for about in _STORIES])


async def _pace(client: httpx.AsyncClient, model: str, about: str) -> float:
    messages = [_prompt(), {"role": "user", "content": f"Tell me about {about} in five sentences."}]
    body = {"model": model, "messages": messages, "stream": True, "max_tokens": _SPEED_TOKENS}
    text, began, ended = "", 0.0, 0.0
    async with client.stream("POST", "/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            if piece := _piece(line):
                ended = time.monotonic()
                began = began or ended
                text += piece
    words = len(text.split()) - 1
    return words / (ended - began) if words > 0 and ended > began else 0.0


def _piece(line: str) -> str:
    try:
        choices = json.loads(line.removeprefix("data: ")).get("choices") or ()
        return str(choices[0]["delta"].get("content") or "") if choices else ""
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
