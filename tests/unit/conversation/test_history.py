from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice_agent.conversation.history import CHARS_PER_TOKEN, HISTORY_TOKENS, SUMMARY_CHARS, Said, compact


def exchange(number: int, size: int = 200) -> list[Said]:
    return [Said("user", f"question {number} " + "x" * size), Said("assistant", f"answer {number} " + "y" * size)]


def test_a_short_history_is_left_alone() -> None:
    assert compact(exchange(1), "").drop == 0


def test_a_long_one_is_cut_to_half_at_the_start_of_a_turn_and_says_what_was_asked() -> None:
    history = [said for number in range(60) for said in exchange(number)]
    cut = compact(history, "")
    assert 0 < cut.drop < len(history)
    assert history[cut.drop].role == "user"
    kept = sum(len(said.text) for said in history[cut.drop :])
    assert kept <= HISTORY_TOKENS * CHARS_PER_TOKEN // 2
    asked = (cut.drop // 2) - 1
    assert f"question {asked} " in cut.summary


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(max_size=3000)), max_size=40))
def test_neither_history_nor_summary_ever_outgrows_its_budget(spoken: list[tuple[str, str]]) -> None:
    history: list[Said] = []
    summary = ""
    for role, text in spoken:
        history.append(Said(role, text))
        cut = compact(history, summary)
        history, summary = history[cut.drop :], cut.summary
        biggest = max((len(said.text) for said in history), default=0)
        assert sum(len(said.text) for said in history) <= (HISTORY_TOKENS * CHARS_PER_TOKEN) + 2 * biggest
        assert len(summary) <= SUMMARY_CHARS + 100
