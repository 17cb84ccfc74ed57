"""Agent configuration: validation, and merging by RFC 7386 for any documents."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from voice_agent.contracts import RoomPolicy
from voice_agent.registry.config import MAX_DEPTH, AgentConfig, deep_merge, depth
from voice_agent.registry.model import normalised_name

KEYS = st.sampled_from("abc")
PLAIN = st.none() | st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2)
DOCUMENTS = st.recursive(
    st.dictionaries(KEYS, PLAIN, max_size=3), lambda inner: st.dictionaries(KEYS, PLAIN | inner, max_size=3)
)


def holds_none(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and any(holds_none(below) for below in value.values()))


@given(DOCUMENTS, DOCUMENTS)
def test_nothing_that_was_removed_stays_and_nothing_else_goes(base: dict[str, Any], over: dict[str, Any]) -> None:
    merged = deep_merge(base, over)
    for key in base.keys() | over.keys():
        if key not in over:
            assert merged[key] == base[key]
        elif over[key] is None:
            assert key not in merged
        elif isinstance(over[key], dict):
            below = base.get(key)
            assert merged[key] == deep_merge(below if isinstance(below, dict) else {}, over[key])
        else:
            assert merged[key] == over[key]


@given(DOCUMENTS, DOCUMENTS)
def test_merging_the_same_twice_is_merging_once_and_changes_no_argument(
    base: dict[str, Any], over: dict[str, Any]
) -> None:
    before = repr((base, over))
    once = deep_merge(base, over)
    assert deep_merge(once, over) == once
    assert repr((base, over)) == before


@given(DOCUMENTS)
def test_a_removal_leaves_no_null_behind(over: dict[str, Any]) -> None:
    assert not holds_none(deep_merge({}, over))


@pytest.mark.parametrize(
    "wrong",
    [{"greting": "x"}, {"tools": [""]}, {"tools": [3]}, {"tools": [{"unit": "C"}]}, {"memory_scope": "all"}],
)
def test_what_is_not_a_configuration_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AgentConfig.model_validate(wrong)


def test_free_fields_may_be_nested_but_not_without_end() -> None:
    nested: dict[str, Any] = {}
    for _ in range(MAX_DEPTH - 1):
        nested = {"x": nested}
    assert depth(nested) == MAX_DEPTH
    AgentConfig.model_validate({"extra": nested})
    with pytest.raises(ValidationError):
        AgentConfig.model_validate({"extra": {"x": nested}})


@pytest.mark.parametrize(
    ("given_name", "name"),
    [("  a \t b ", "a b"), ("e\u0301", "\u00e9"), ("a\u200bb", "ab"), ("\u202e", ""), ("Ünï 中", "Ünï 中")],
)
def test_one_name_has_one_spelling(given_name: str, name: str) -> None:
    assert normalised_name(given_name) == name


def test_no_assistant_asks_for_a_room_that_others_made() -> None:
    with pytest.raises(ValidationError, match="adopted rooms are made by others"):
        AgentConfig(room_policy=RoomPolicy.ADOPTED)
