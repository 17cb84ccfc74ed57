"""A job never reads the machine's certificates from disk: it inherits them. Reading takes a tenth of a second of a
whole core, while somebody waits for the greeting."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from voice_agent.contracts import ProviderChoices
from voice_agent.conversation.providers import build_providers, load_vad
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.recall.embedder import HttpEmbedder
from voice_agent.memory.recall.second_look import ChatSecondLook
from voice_agent.outbound import tls
from voice_agent.providers import endpoints
from voice_agent.rooms.livekit import LiveKit
from voice_agent.settings import Settings


async def test_no_client_of_a_job_reads_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret" * 8}
    settings = Settings.model_validate({"VOICE_HOME": tmp_path, **keys})
    assert settings.turn_end == "model"
    tls()

    def read(*_: object, **__: object) -> ssl.SSLContext:
        raise AssertionError("certificates were read")

    monkeypatch.setattr(ssl, "create_default_context", read)
    providers = build_providers(settings, load_vad(), ProviderChoices())
    vectors = endpoints.embedding(settings)
    embedder = HttpEmbedder(vectors.base_url, vectors.api_key, vectors.model, version=vectors.version)
    second_look, letta, livekit = ChatSecondLook(endpoints.llm(settings), {}), LettaClient(settings), LiveKit(settings)
    for client in (embedder, second_look, providers):
        await client.aclose()
    await letta.close()
    await livekit.close()
