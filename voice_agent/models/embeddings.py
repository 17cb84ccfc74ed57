"""Embeddings endpoint of the front: validates requests of OpenAI's clients and passes them to the embedding child."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voice_agent.errors import Code, Permanent
from voice_agent.models.catalog import Model
from voice_agent.models.child import Child
from voice_agent.models.responses import unless_disconnected

OPENAI_NAMES: Final = frozenset({"text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"})
"""OpenAI's names mean ours, so that a client written for OpenAI works unchanged."""
LARGEST_BATCH: Final = 256
LONGEST_TEXT: Final = 32_000
"""Characters. The model reads only the first tokens of a text; OpenAI's and other servers truncate, too."""
FORMATS: Final = ("float", "base64")


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    texts: tuple[str, ...]
    encoding: str


async def create(request: Request, child: Child, model: Model, body: Any) -> Response:
    # Not scheduled: a query takes some 45 ms, and the child computes long lists at a low priority.
    asked = parse(body, model)
    made = await unless_disconnected(request, _ask(child, asked), "embed")
    vectors = np.frombuffer(base64.b64decode(made["vectors"]), "<f4").reshape(len(asked.texts), -1)
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, asked.encoding)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": made["tokens"], "total_tokens": made["tokens"]}
    return JSONResponse({"object": "list", "data": data, "model": model.name, "usage": usage})


async def _ask(child: Child, asked: EmbeddingRequest) -> dict[str, Any]:
    async with child.ask("/embed", Code.EMBEDDING_FAILED, json={"texts": asked.texts}) as answer:
        await answer.aread()
        made: dict[str, Any] = answer.json()
    return made


def _encoded(vector: NDArray[np.float32], encoding: str) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(vector.tobytes()).decode()
    return [float(value) for value in vector]


def parse(body: Any, model: Model) -> EmbeddingRequest:
    if not isinstance(body, dict):
        raise Permanent(Code.BAD_REQUEST, "The request body is not a JSON object.")
    name = body.get("model")
    if not isinstance(name, str) or name not in {model.name, *OPENAI_NAMES}:
        raise Permanent(
            Code.MODEL_UNKNOWN, f"The model {name!r} does not exist here.", f"Use {model.name!r}.", param="model"
        )
    texts = _texts(body.get("input"))
    assert model.embedding is not None
    dimensions = body.get("dimensions")
    if dimensions not in (None, model.embedding.dimensions):
        raise Permanent(
            Code.BAD_REQUEST,
            f"{model.name} has {model.embedding.dimensions} dimensions, not {dimensions!r}.",
            "Leave dimensions out.",
            param="dimensions",
        )
    encoding = _one_of("encoding_format", body.get("encoding_format"), FORMATS, "float")
    return EmbeddingRequest(texts, encoding)


def _texts(given: Any) -> tuple[str, ...]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        remedy = "Tokens are not understood: send the text itself." if _tokens(texts) else ""
        raise Permanent(Code.BAD_REQUEST, "input must be a text or a list of texts.", remedy, param="input")
    if len(texts) > LARGEST_BATCH:
        raise Permanent(
            Code.BAD_REQUEST,
            f"input has {len(texts)} texts; {LARGEST_BATCH} are the most.",
            "Send them in several requests.",
            param="input",
        )
    for index, text in enumerate(texts):
        if not text.strip():
            raise Permanent(Code.BAD_REQUEST, f"Text {index} of input is empty.", "Leave it out.", param="input")
        if len(text) > LONGEST_TEXT:
            raise Permanent(
                Code.BAD_REQUEST,
                f"Text {index} of input has {len(text)} characters; {LONGEST_TEXT} are the most.",
                "Send it in parts.",
                param="input",
            )
    # JSON can hold a lone surrogate, which has no UTF-8.
    return tuple(text.encode("utf-8", "replace").decode() for text in texts)


def _tokens(texts: Any) -> bool:
    return isinstance(texts, list) and bool(texts) and isinstance(texts[0], int | list)


def _one_of(param: str, given: Any, known: tuple[str, ...], default: str) -> str:
    if given is None:
        return default
    if given not in known:
        raise Permanent(
            Code.BAD_REQUEST, f"{param} {given!r} is not supported.", f"Use {' or '.join(known)}.", param=param
        )
    return str(given)
