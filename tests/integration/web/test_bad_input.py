"""Fuzzing by the OpenAPI document: valid and invalid requests get no 500 and no undocumented answer."""

from __future__ import annotations

import os
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.control_plane import serving
from tests.support.letta_directory import LettaDirectoryServer
from voice_agent.settings import Settings

EXAMPLES = int(os.environ.get("VOICE_FUZZ_EXAMPLES", "4"))
ENDLESS = "/events"


def nothing_broke(_context: object, response: schemathesis.Response, _case: schemathesis.Case[Any]) -> None:
    """503 names a part that is away and says what to do; 500 is a mistake of ours."""
    assert response.status_code != 500, response.text


CHECKS = [nothing_broke, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_no_input_breaks_it(control_settings: Settings, letta: LettaDirectoryServer) -> None:
    with serving(control_settings) as base:
        send_everything(schemathesis.openapi.from_url(f"{base}/openapi.json").exclude(path=ENDLESS))


def send_everything(api: Any) -> None:
    for found in api.get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:
            strategy = operation.as_strategy(generation_mode=mode)

            @given(case=strategy)
            @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            def send(case: schemathesis.Case[Any]) -> None:
                case.call_and_validate(checks=CHECKS, timeout=60)

            try:
                send()
            except Unsatisfiable:
                continue  # nothing of this kind can be sent: there is nothing to get wrong
