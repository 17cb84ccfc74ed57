"""Rules about facts: they have an answer whatever is said, and whatever a model answers."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from voice_agent.memory.facts.dates import absolute
from voice_agent.memory.facts.decide import Known, accepted, decide
from voice_agent.memory.facts.statements import left_out, refers_back, speaks_of_self, told
from voice_agent.memory.recall.index import as_said
from voice_agent.memory.recall.question import asks_everything, read
from voice_agent.memory.recall.relevance import Evidence, relevance
from voice_agent.memory.recall.told import wordings

FRAGMENTS = st.sampled_from(
    "The user's|my|dog|is|called|Biscuit|not|999|years|ago|in|weeks|last|next|Friday|tomorrow|?|.|,|'s|what|when|I|am|"
    "<b>|日本語|été|\u202e|one hundred|twenty|-first|in-law|guinea pigs|actually|now".split("|")
)
TEXT = st.one_of(st.text(max_size=200), st.lists(FRAGMENTS, max_size=20).map(" ".join))


@given(TEXT, TEXT, TEXT)
def test_no_text_breaks_a_rule(said: str, fact: str, known: str) -> None:
    statement = told(said)
    left_out(statement, [fact])
    speaks_of_self(statement)
    refers_back(statement)
    absolute(fact, date(2026, 2, 28))
    as_said(fact)
    decided = decide(accepted([fact, said], statement, known), statement, [Known("k", known)])
    assert len(decided) <= 2
    relevance(read(said), Evidence(fact, 0.5, 0.5, 0.5))
    asks_everything(said)
    wordings(statement)
