"""HTTP client of the command line for the running control plane."""

from __future__ import annotations

from typing import Any

import httpx

from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.settings import Settings

_DEADLINE = 10.0


def ask(settings: Settings, method: str, path: str) -> dict[str, Any]:
    """The answer's JSON; an error answer is raised as our error."""
    headers = {"Authorization": f"Bearer {settings.admin_secret}"} if settings.admin_secret else {}
    url = settings.page_url
    try:
        with httpx.Client(base_url=url, timeout=_DEADLINE, trust_env=False) as client:
            answer = client.request(method, path, headers=headers)
    except httpx.HTTPError as error:
        raise Temporary(
            Code.NOT_RUNNING, f"Nothing answers on {url} ({type(error).__name__}).", "Start it with 'voice-agent up'."
        ) from error
    try:
        found: dict[str, Any] = answer.json()
        refusal = None
        if answer.is_error:
            said = found["error"]
            refusal = Permanent(Code(said["code"]), said["message"], said["remedy"])
    except (ValueError, KeyError, TypeError) as error:
        raise Temporary(
            Code.NOT_RUNNING, f"What answers on {url} is something else.", "Set VOICE_PORT to the port of voice-agent."
        ) from error
    if refusal is not None:
        raise refusal
    return found
