"""Webhooks of LiveKit and process exit reports of the supervisor. Both wake the monitor."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Header, Request

from voice_agent.contracts import PROCESS_EXIT_PATH, WEBHOOK_PATH, ProcessExit
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.rooms.leases import worker_name
from voice_agent.web.auth import ServicesDep, same

router = APIRouter(include_in_schema=False)


@router.post(WEBHOOK_PATH, status_code=204)
async def livekit_webhook(
    services: ServicesDep, request: Request, authorization: Annotated[str, Header()] = ""
) -> None:
    """A repeated or late webhook does no harm: an ended session stays ended, and all else is looked up in LiveKit."""
    webhook = services.livekit.webhook((await request.body()).decode("utf-8", "replace"), authorization)
    if webhook.joined is not None:
        with suppress(VoiceAgentError):  # the monitor, woken before, checks it too and logs the failure
            await services.monitor.joined(webhook.room, webhook.joined)
    elif webhook.room:
        services.monitor.wake(webhook.room)


@router.post(PROCESS_EXIT_PATH, status_code=204)
async def process_exit(services: ServicesDep, body: ProcessExit, authorization: Annotated[str, Header()] = "") -> None:
    secret = services.settings.internal_secret
    if not secret or not same(authorization, f"Bearer {secret}"):
        raise Permanent(Code.UNAUTHORIZED, "Only our own supervisor reports the end of a process.")
    worker = worker_name(body.host, body.pid)
    # Before its leases are free: no job may go to a dead worker.
    await services.worker_registry.deregister(worker)
    await services.leases.worker_died(worker)
    services.monitor.wake()
