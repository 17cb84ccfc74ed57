"""The description of the HTTP API in docs/ is the one that the server answers."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.bare_web import bare_web, web_settings
from voice_agent.web import openapi

FILE = Path(__file__).parents[3] / "docs" / "openapi.json"


async def test_the_document_is_what_the_server_answers(tmp_path: Path) -> None:
    written = FILE.read_text(encoding="utf-8")
    assert written == openapi.document(), "run: python -m voice_agent.web.openapi > docs/openapi.json"
    async with bare_web(web_settings(tmp_path)) as client:
        answer = await client.get("/openapi.json")
    assert answer.json() == json.loads(written)
    assert len(json.loads(written)["paths"]) > 15
