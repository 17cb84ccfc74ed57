"""Embedding requests: validation, and pooling of token vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from voice_agent.errors import Code, Permanent
from voice_agent.models.catalog import MINILM, MODELS, EmbeddingShape
from voice_agent.models.embedding import normalised, pooled
from voice_agent.models.embeddings import LARGEST_BATCH, LONGEST_TEXT, EmbeddingRequest, parse

TOKENS = np.array([[1, 0, 0], [0, 2, 0], [2, 1, 0]], np.float32)


def asked(**body: Any) -> EmbeddingRequest:
    return parse({"model": MINILM.name, "input": "Hello.", **body}, MINILM)


def test_the_mean_of_all_tokens_or_the_first_of_them() -> None:
    mean = pooled(TOKENS, EmbeddingShape(3, 256, "mean"))
    assert mean.tolist() == [1, 1, 0]
    assert pooled(TOKENS, EmbeddingShape(3, 512, "cls")).tolist() == [1, 0, 0]
    unit = normalised(mean)
    assert unit.dtype == np.float32
    assert np.isclose(np.linalg.norm(unit), 1)
    assert not normalised(np.zeros(3, np.float32)).any()


def test_one_text_and_many() -> None:
    assert asked() == EmbeddingRequest(("Hello.",), query=False, encoding="float")
    assert asked(input=["a", "b"], encoding_format="base64", input_type="query") == EmbeddingRequest(
        ("a", "b"), True, "base64"
    )
    assert asked(model="text-embedding-3-small", dimensions=384, input_type="passage").texts == ("Hello.",)


def test_half_a_character_does_not_pass() -> None:
    [text] = asked(input="a\ud800b").texts
    assert text.encode() == b"a?b"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": [1, 2]}, "input"),
        ({"input": [[1, 2]]}, "input"),
        ({"input": ["a", None]}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a", " \n"]}, "input"),
        ({"input": "x" * (LONGEST_TEXT + 1)}, "input"),
        ({"input": ["x"] * (LARGEST_BATCH + 1)}, "input"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"encoding_format": 7}, "encoding_format"),
        ({"input_type": ["query"]}, "input_type"),
        ({"dimensions": 256}, "dimensions"),
        ({"dimensions": "384"}, "dimensions"),
        ({"model": "bert"}, "model"),
        ({"model": None}, "model"),
        ({"model": ["x"]}, "model"),
    ],
)
def test_refusals_name_the_field(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Permanent) as refused:
        asked(**body)
    assert refused.value.detail["param"] == param
    assert refused.value.code is (Code.MODEL_UNKNOWN if param == "model" else Code.BAD_REQUEST)


def test_a_body_that_is_no_object() -> None:
    with pytest.raises(Permanent):
        parse([], MINILM)


def test_every_embedding_model_says_how_it_is_run() -> None:
    assert [model.name for model in MODELS.values() if model.embedding] == [
        model.name for model in MODELS.values() if model.role == "embedding"
    ]
    assert len({model.version for model in MODELS.values()}) == len(MODELS)
