from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.support.models import LLM, RunningModels, running_models


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningModels]:
    """One server for all: loading takes longer than most tests."""
    with running_models(tmp_path_factory.mktemp("models"), {"VOICE_LLM_MODEL": LLM}) as running:
        yield running


@pytest.fixture
def client(models: RunningModels) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=models.base_url, api_key="any", max_retries=0) as opened:
        yield opened
