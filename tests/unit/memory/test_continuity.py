"""Continuity keys: the conversation in which a caller is met again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice_agent.contracts import AgentBinding, JobMetadata
from voice_agent.memory.access import continuity_key
from voice_agent.memory.tables import threads

AGENT = AgentBinding(agent_id="a", letta_agent_id="l", name="Ada")
IDS = st.text("ab:/%@._-", max_size=128)


def key(business: str, user: str, session: str = "s", agent: AgentBinding = AGENT) -> str:
    return continuity_key(
        JobMetadata(room_name="r", session_id=session, agent=agent, business_id=business, user_id=user)
    )


def test_a_user_is_met_again_and_anybody_else_only_in_their_session() -> None:
    assert key("b", "anna", "s1") == key("b", "anna", "s2")
    assert key("b", "", "s1") != key("b", "", "s2")


def test_the_same_user_of_two_businesses_has_two_conversations() -> None:
    """Before, they had one: what one said was quoted to the other."""
    assert key("b1", "anna") != key("b2", "anna")


def test_threads_without_a_business_go_on_as_they_were_named_before() -> None:
    assert key("", "anna") == "a/user:anna"
    assert key("b", "", "s1") == "a/session:s1"


@given(IDS, IDS.filter(bool), IDS, IDS.filter(bool))
def test_no_two_users_share_a_thread(business: str, user: str, other_business: str, other_user: str) -> None:
    same = (business, user) == (other_business, other_user)
    assert (key(business, user) == key(other_business, other_user)) is same


def test_the_longest_ids_fit_into_the_table() -> None:
    long = AGENT.model_copy(update={"agent_id": "a" * 128})
    assert len(key("b:" * 64, "u" * 128, agent=long)) <= threads.c.thread.type.length  # type: ignore[attr-defined]
