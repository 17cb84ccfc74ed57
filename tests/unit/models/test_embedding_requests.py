"""Embedding requests: validation; vectors of length one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from voice_agent.errors import Code, Permanent
from voice_agent.models.catalog import MODELS, MPNET
from voice_agent.models.embedding import normalised
from voice_agent.models.embeddings import LARGEST_BATCH, LONGEST_TEXT, EmbeddingRequest, parse


def asked(**body: Any) -> EmbeddingRequest:
    return parse({"model": MPNET.name, "input": "Hello.", **body}, MPNET)


def test_a_vector_has_the_length_one_or_none() -> None:
    unit = normalised(np.array([3, 0, 4], np.float32))
    assert unit.dtype == np.float32
    assert np.isclose(np.linalg.norm(unit), 1)
    assert not normalised(np.zeros(3, np.float32)).any()


def test_one_text_and_many() -> None:
    assert asked() == EmbeddingRequest(("Hello.",), encoding="float")
    assert asked(input=["a", "b"], encoding_format="base64") == EmbeddingRequest(("a", "b"), "base64")
    assert asked(model="text-embedding-3-small", dimensions=768).texts == ("Hello.",)


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
        ({"dimensions": 256}, "dimensions"),
        ({"dimensions": "768"}, "dimensions"),
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
        parse([], MPNET)


def test_every_embedding_model_says_how_it_is_run() -> None:
    assert [model.name for model in MODELS.values() if model.embedding] == [
        model.name for model in MODELS.values() if model.role == "embedding"
    ]
    assert len({model.version for model in MODELS.values()}) == len(MODELS)
