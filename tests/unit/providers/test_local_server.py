"""Table of local models for clients: equal to the catalogue of the model server."""

from __future__ import annotations

import pytest

from voice_agent.errors import Code, Permanent
from voice_agent.models import catalog
from voice_agent.providers.local_server import LOCAL_MODELS, local_model


def test_the_two_tables_of_models_agree() -> None:
    def shown(model: catalog.Model) -> tuple[str, bool, str, str]:
        version = model.version if model.embedding else ""
        return model.role, model.default, model.voices[0] if model.voices else "", version

    assert {name: (one.role, one.default, one.voice, one.version) for name, one in LOCAL_MODELS.items()} == {
        name: shown(model) for name, model in catalog.MODELS.items()
    }


def test_a_model_is_found_by_name_and_role() -> None:
    assert local_model("", "llm").default
    assert local_model("piper-joe-medium", "tts").voice == "joe"


@pytest.mark.parametrize(("name", "role"), [("nothing", "tts"), ("kokoro-82m", "stt")])
def test_a_name_that_does_not_fit_is_named(name: str, role: str) -> None:
    with pytest.raises(Permanent) as refused:
        local_model(name, role)  # type: ignore[arg-type]
    assert refused.value.code is Code.MODEL_UNKNOWN
