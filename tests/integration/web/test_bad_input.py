"""Schemathesis reads our OpenAPI document and sends what it allows and what it forbids: no 500, nothing undocumented."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.letta_directory import running_letta_directory
from tests.support.livekit_server import LiveKitServer
from voice_agent.settings import Settings
from voice_agent.web.app import create_app

EXAMPLES = int(os.environ.get("VOICE_FUZZ_EXAMPLES", "8"))
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
ENDLESS = "/events"


@pytest.fixture(scope="module")
def api(livekit_server: LiveKitServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    home: Path = tmp_path_factory.mktemp("fuzz")
    told: Settings = livekit_server.settings.model_copy(update={"home": home})
    with running_letta_directory(told.letta_port) as letta:
        letta.add("agent-1", "Ada")
        yield schemathesis.openapi.from_asgi("/openapi.json", create_app(told, lambda: None)).exclude(path=ENDLESS)


schema = schemathesis.pytest.from_fixture("api")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_no_input_breaks_it(case: schemathesis.Case) -> None:
    # The server believes only its own names: see Guard.
    answer = case.call(headers={"Host": "127.0.0.1"}, base_url="http://127.0.0.1")
    case.validate_response(answer, checks=list(CHECKS))
