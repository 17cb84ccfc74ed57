"""Scripted LLM: a real OpenAI-style chat server whose answers a test decides. It runs in a thread or as a process:

    with ScriptedLLM() as llm:                      # a thread, any free port
        llm.script(Rule(user="dog", reply="Rex."))  # the same calls work against a process: Control(url)

    python -m tests.support.scripted_llm --port 21150

An answer is, in this order: the first rule that matches; else the sentence of the system prompt that shares most
words with the last user message, word for word; else `I_DO_NOT_KNOW`. So a right answer proves that the fact was in
the client's prompt: neither this server nor a rule with a `system` pattern contains it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import socket
import struct
import threading
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

I_DO_NOT_KNOW = "I do not know that."
MODEL = "scripted"
LARGER = "a-larger-one"
KEPT_REQUESTS = 500
A_TONE = struct.pack("<4800h", *(int(3_000 * math.sin(number / 10)) for number in range(4_800)))
"""A fifth of a second at 24 kHz."""
COMMON_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by can could did do does for from had has have he her his how i in is it its know "
        "me my of on or our please she so tell that the their them they this to was we were what when where which who "
        "whose why will with would you your",
    )
)

FailureKind = Literal["500", "429", "401", "garbage", "half", "drop", "hang"]


@dataclass(frozen=True)
class Rule:
    """Rule that applies if all its patterns are found, regardless of case."""

    user: str = ""
    """In the text of the last user message."""
    system: str = ""
    """In the system prompt. `reply` can quote its groups as \\1, \\2; without a `system` pattern, those of `user`."""
    history: str = ""
    """In an earlier message that is not the system prompt."""
    reply: str = ""
    tool: str = ""
    """Call this tool. Not called if the request does not offer it or if the last message is a tool result: then
    `reply` is the answer, and a rule without a reply does not apply."""
    arguments: dict[str, Any] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before the first word."""
    between: float = 0.0
    """Seconds between words."""
    times: int = 0
    """Applies this many times; 0: always."""


@dataclass(frozen=True)
class Failure:
    kind: FailureKind
    times: int = 1
    user: str = ""
    """Only for requests whose last user message matches."""


@dataclass(frozen=True)
class Answer:
    text: str
    tool: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    delay: float = 0.0
    between: float = 0.0


def text_of(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


@dataclass(frozen=True)
class Prompt:
    system: str
    user: str
    history: str
    tools: frozenset[str]
    last_role: str
    must_call: bool
    model: str

    @classmethod
    def of(cls, body: dict[str, Any]) -> Prompt:
        messages = body.get("messages", [])
        spoken = [m for m in messages if m.get("role") not in ("system", "developer")]
        system = "\n".join(text_of(m.get("content")) for m in messages if m.get("role") in ("system", "developer"))
        users = [m for m in spoken if m.get("role") == "user"]
        last = users[-1] if users else {}
        return cls(
            system=system,
            user=text_of(last.get("content")),
            history="\n".join(text_of(m.get("content")) for m in spoken if m is not last),
            tools=frozenset(tool["function"]["name"] for tool in body.get("tools") or ()),
            last_role=messages[-1].get("role", "") if messages else "",
            must_call=body.get("tool_choice") == "required" or isinstance(body.get("tool_choice"), dict),
            model=str(body.get("model")),
        )


def best_sentence(question: str, prompt: str) -> str:
    """The sentence that shares most words with the question; empty if none shares two (or the question's only one)."""

    def words(text: str) -> set[str]:
        return {w[:6] for w in re.findall(r"[a-z0-9]+", text.lower())} - {w[:6] for w in COMMON_WORDS}

    wanted = words(question)
    sentences = [s.strip() for s in re.split(r"(?<=[.!?])\s+|\n+|<[^>]*>", prompt) if s.strip()]
    best = max(sentences, key=lambda s: (len(words(s) & wanted), -len(s)), default="")
    return best if len(words(best) & wanted) >= min(2, max(1, len(wanted))) else ""


class Script:
    """Script of answers. Used by one event loop only, so it needs no lock."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.failures: list[Failure] = []
        self.requests: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self._used: dict[int, int] = {}

    def set(self, rules: list[Rule], failures: list[Failure]) -> None:
        self.rules, self.failures, self._used = rules, failures, {}

    def failure(self, prompt: Prompt) -> FailureKind | None:
        for index, failure in enumerate(self.failures):
            if failure.times > 0 and re.search(failure.user, prompt.user, re.IGNORECASE):
                self.failures[index] = Failure(failure.kind, failure.times - 1, failure.user)
                return failure.kind
        return None

    def answer(self, prompt: Prompt) -> Answer:
        for index, rule in enumerate(self.rules):
            answer = self._apply(rule, prompt)
            if answer and not (rule.times and self._used.get(index, 0) >= rule.times):
                self._used[index] = self._used.get(index, 0) + 1
                return answer
        text = best_sentence(prompt.user, prompt.system) or I_DO_NOT_KNOW
        if prompt.must_call and "send_message" in prompt.tools:
            return Answer("", "send_message", {"message": text})
        return Answer(text)

    def _apply(self, rule: Rule, prompt: Prompt) -> Answer | None:
        searches = ((rule.user, prompt.user), (rule.system, prompt.system), (rule.history, prompt.history))
        found = [re.search(pattern, text, re.IGNORECASE | re.DOTALL) for pattern, text in searches]
        if not all(found):
            return None
        calls = rule.tool in prompt.tools and prompt.last_role != "tool"
        if rule.tool and not calls and not rule.reply:
            return None
        quoted = found[1] if rule.system else found[0]
        assert quoted is not None
        text = "" if calls else quoted.expand(rule.reply)
        tool, arguments = (rule.tool, rule.arguments) if calls else ("", {})
        return Answer(text, tool, arguments, rule.delay, rule.between)


def _asks_for_facts(body: dict[str, Any]) -> bool:
    schema = (body.get("response_format") or {}).get("json_schema") or {}
    return bool(schema.get("name") == "facts")


class Server:
    def __init__(self) -> None:
        self.script = Script()

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        if _asks_for_facts(body):
            # Background work: scripted failures and request counts do not apply to it.
            return JSONResponse(_whole(Answer(json.dumps({"facts": []}), "", {}, 0.0, 0.0)))
        self.script.requests.append(
            {"time": time.time(), "body": body, "key": request.headers.get("authorization", "")}
        )
        prompt = Prompt.of(body)
        kind = self.script.failure(prompt)
        match kind:
            case "500" | "429" | "401":
                error = {"message": f"scripted {kind}", "type": "scripted", "code": f"scripted_{kind}", "param": None}
                return JSONResponse({"error": error}, int(kind))
            case "garbage":
                return Response(b"\x00<html>not json", media_type="application/json")
            case "hang":
                while (await request.receive())["type"] != "http.disconnect":
                    pass
                return Response(status_code=499)
            case "drop":
                raise ConnectionAbortedError("scripted drop")
        answer = self.script.answer(prompt)
        await asyncio.sleep(answer.delay)
        if body.get("stream") or kind == "half":
            usage = bool((body.get("stream_options") or {}).get("include_usage"))
            return StreamingResponse(_stream(answer, kind == "half", usage), media_type="text/event-stream")
        return JSONResponse(_whole(answer))

    async def models(self, _: Request) -> Response:
        known = {"object": "model", "created": 0, "owned_by": "tests", "max_model_len": 32_768}
        return JSONResponse({"object": "list", "data": [{"id": name, **known} for name in (MODEL, LARGER)]})

    async def speech(self, _: Request) -> Response:
        """TTS that returns a tone at once."""
        return Response(A_TONE, media_type="audio/pcm")

    async def set_script(self, request: Request) -> Response:
        wish = await request.json()
        self.script.set([Rule(**r) for r in wish.get("rules", [])], [Failure(**f) for f in wish.get("failures", [])])
        return Response(status_code=204)

    async def get_requests(self, _: Request) -> Response:
        return JSONResponse(list(self.script.requests))

    async def clear_requests(self, _: Request) -> Response:
        self.script.requests.clear()
        return Response(status_code=204)

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
                Route("/v1/models", self.models, methods=["GET"]),
                Route("/v1/audio/speech", self.speech, methods=["POST"]),
                Route("/control/script", self.set_script, methods=["PUT"]),
                Route("/control/requests", self.get_requests, methods=["GET"]),
                Route("/control/requests", self.clear_requests, methods=["DELETE"]),
            ]
        )


USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def _head() -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": MODEL}


def _call(answer: Answer) -> dict[str, Any]:
    function = {"name": answer.tool, "arguments": json.dumps(answer.arguments)}
    return {"id": f"call_{uuid.uuid4().hex[:20]}", "type": "function", "function": function}


def _whole(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.tool:
        message["tool_calls"] = [_call(answer)]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if answer.tool else "stop"}
    return {**_head(), "object": "chat.completion", "choices": [choice], "usage": USAGE}


async def _stream(answer: Answer, half: bool, usage: bool) -> AsyncIterator[bytes]:
    head = _head()

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _event({**head, "object": "chat.completion.chunk", "choices": [choice]})

    yield event({"role": "assistant", "content": ""})
    words = re.findall(r"\S+\s*", answer.text)
    for word in words[: max(1, len(words) // 2)] if half else words:
        yield event({"content": word})
        await asyncio.sleep(answer.between)
    if half:
        raise ConnectionAbortedError("scripted half stream")
    if answer.tool:
        call = _call(answer)
        arguments = call["function"]["arguments"]
        yield event({"tool_calls": [{"index": 0, **call, "function": {"name": answer.tool, "arguments": ""}}]})
        for start in range(0, len(arguments), 16):
            yield event({"tool_calls": [{"index": 0, "function": {"arguments": arguments[start : start + 16]}}]})
    yield event({}, "tool_calls" if answer.tool else "stop")
    if usage:
        yield _event({**head, "object": "chat.completion.chunk", "choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def _event(payload: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(payload)}\n\n".encode()


class Control:
    """HTTP client that sets the answers of a scripted server and reads its requests."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        """Without /v1."""

    @property
    def base_url(self) -> str:
        """Value for VOICE_LLM_BASE_URL."""
        return f"{self.url}/v1"

    def script(self, *rules: Rule, failures: tuple[Failure, ...] = ()) -> None:
        content = {"rules": [asdict(r) for r in rules], "failures": [asdict(f) for f in failures]}
        httpx.put(f"{self.url}/control/script", json=content, timeout=10).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        """Every request so far: {time, body, key}."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/control/requests", timeout=10).json()
        return found

    def prompts(self) -> list[Prompt]:
        return [Prompt.of(request["body"]) for request in self.requests()]

    def forget(self) -> None:
        httpx.delete(f"{self.url}/control/requests", timeout=10).raise_for_status()


class ScriptedLLM(Control):
    """Scripted server in a thread of this process."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        super().__init__(f"http://127.0.0.1:{self._socket.getsockname()[1]}")
        # "critical": a scripted drop raises an exception on purpose.
        config = uvicorn.Config(
            Server().application(), log_level="critical", timeout_graceful_shutdown=1, timeout_keep_alive=65
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="scripted-llm", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()  # the socket listens already: requests are queued until the server accepts them
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="An OpenAI-style chat server whose answers a test decides.")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run(Server().application(), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
