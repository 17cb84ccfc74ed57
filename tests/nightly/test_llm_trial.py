"""Trial of real language models, as `voice-agent up` makes it: the default, and one that is far too small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.models import LLM
from voice_agent.settings import Settings, load
from voice_agent.stack.llm_choice import DEFAULT, settled

pytestmark = pytest.mark.timeout(1800)


async def test_a_model_that_does_worse_gives_way_to_the_default(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    ours = load({}).settings
    objects = tmp_path / "cache" / "objects"
    objects.parent.mkdir()
    objects.symlink_to(ours.cache / "objects")  # this machine's downloads, and trials of their own
    wanted = Settings(home=tmp_path / "home", cache=tmp_path / "cache", llm_model=LLM)
    said: list[str] = []
    assert (await settled(wanted, said.append, [])).llm_model == DEFAULT
    record_property("trial", said)
    assert sum("trying out" in line for line in said) == 2
    assert any(f"{LLM} is not used: it got" in line for line in said), said
    said.clear()
    assert (await settled(wanted, said.append, [])).llm_model == DEFAULT
    assert not any("trying out" in line for line in said), "tried out once"
    assert await settled(insists := wanted.model_copy(update={"llm_trial": False}), said.append, []) == insists
