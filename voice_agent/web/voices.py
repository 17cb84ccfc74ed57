"""Voice routes: the voices that an assistant can have, and how each sounds."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import StringConstraints

from voice_agent.errors import Code, Permanent
from voice_agent.providers import endpoints
from voice_agent.providers.endpoints import OPENAI
from voice_agent.web.auth import AnyCaller, ServicesDep, slower
from voice_agent.web.errors import documented
from voice_agent.web.schemas import VoiceChoice, Voices

router = APIRouter(prefix="/voices", tags=["agents"])

VoiceId = Annotated[str, StringConstraints(min_length=1, max_length=100), Path()]


@router.get("", responses=documented())
async def list_voices(services: ServicesDep, _who: AnyCaller) -> Voices:
    """Voices of the installation's TTS. An assistant with a TTS of its own may have others."""
    endpoint = endpoints.tts(services.settings)
    offered = await services.offers.voices(endpoint)
    preview = endpoint.provider == OPENAI
    return Voices(
        voices=[
            VoiceChoice(id=voice.id, name=voice.name, language=voice.language, preview=preview)
            for voice in offered.voices
        ],
        complete=offered.complete,
        default=endpoint.voice,
    )


async def limited(services: ServicesDep, who: AnyCaller) -> None:
    if wait := services.preview_rate.take(who.address, time.monotonic()):
        raise slower("Too many previews were asked for from this address.", wait)


class WavResponse(Response):
    media_type = "audio/wav"


@router.get(
    "/{voice_id}/preview",
    dependencies=[Depends(limited)],
    response_class=Response,
    responses={200: {"content": {"audio/wav": {}}, "description": "One sentence, 16 bit mono."}, **documented(404)},
)
async def preview_voice(services: ServicesDep, _who: AnyCaller, voice_id: VoiceId) -> WavResponse:
    """A sentence in this voice. 503 while a conversation needs the local models."""
    endpoint = endpoints.tts(services.settings)
    offered = await services.offers.voices(endpoint)
    voice = next((one for one in offered.voices if one.id == voice_id), None)
    if voice is None or endpoint.provider != OPENAI:
        raise Permanent(Code.NOT_FOUND, "There is no preview of this voice.", "Pick one from GET /voices.")
    return WavResponse(await services.voice_previews.wav(endpoint, voice))
