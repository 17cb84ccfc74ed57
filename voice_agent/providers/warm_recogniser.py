"""Warm-up of a local recogniser that starts when it is first asked for, before a person has spoken."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import httpx

from voice_agent.outbound import tls
from voice_agent.providers.endpoints import Endpoint
from voice_agent.providers.local_server import DEFAULTS
from voice_agent.providers.sound import SYNTHESIS_RATE, wav_file

_PATIENCE: Final = 20.0
_SILENCE: Final = bytes(SYNTHESIS_RATE)


async def warm_recogniser(endpoint: Endpoint) -> None:
    """Have a moment of silence recognised. A failure costs only the head start."""
    if not endpoint.local or endpoint.model == DEFAULTS["stt"].name:
        return
    with suppress(httpx.HTTPError):
        async with httpx.AsyncClient(timeout=_PATIENCE, verify=tls()) as client:
            await client.post(
                f"{endpoint.base_url}/audio/transcriptions",
                files={"file": ("silence.wav", wav_file(_SILENCE, SYNTHESIS_RATE), "audio/wav")},
                data={"model": endpoint.model, "language": endpoint.language},
                headers={"Authorization": f"Bearer {endpoint.api_key}"},
            )
