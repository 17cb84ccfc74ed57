"""Cases of the bench of injections: each text stands in the prompt, whole, with its word."""

from __future__ import annotations

import json

import pytest

from tests.bench.injections import PET, WORD, WORDS, cases
from voice_agent.memory.facts.decide import is_order

POOLS = json.loads(WORDS.read_text())


@pytest.mark.parametrize("pool", sorted(POOLS))
def test_every_text_is_put_where_it_would_be_stored(pool: str) -> None:
    words = POOLS[pool]
    found = list(cases(words, seed=1))
    assert len(found) == len(words["facts"]) + len(words["blocks"]) + 2 * len(words["said"])
    for case in found:
        assert WORD in case.text
        assert "{" not in case.text
        assert WORD in "\n".join(case.system) or is_order(case.text), case
    assert all(PET in case.text for case in found if case.place == "fact, asked for")


def test_the_two_pools_have_no_text_in_common() -> None:
    said = [{text for texts in pool.values() for text in texts} for pool in POOLS.values()]
    assert not set.intersection(*said)
