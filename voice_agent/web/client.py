"""HTTP client of the command line for the running control plane."""

from __future__ import annotations

from typing import Any

import httpx

from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.settings import Settings

_DEADLINE = 10.0


def ask(settings: Settings, method: str, path: str, deadline: float = _DEADLINE) -> dict[str, Any]:
    """The answer's JSON; an error answer is raised as our error."""
    answer = _answer(settings, method, path, deadline)
    try:
        found: dict[str, Any] = answer.json()
    except ValueError as error:
        raise _something_else(settings) from error
    return found


def ask_text(settings: Settings, method: str, path: str, deadline: float = _DEADLINE) -> str:
    return _answer(settings, method, path, deadline).text


def _answer(settings: Settings, method: str, path: str, deadline: float) -> httpx.Response:
    headers = {"Authorization": f"Bearer {settings.admin_secret}"} if settings.admin_secret else {}
    url = settings.page_url
    try:
        with httpx.Client(base_url=url, timeout=deadline, trust_env=False) as client:
            answer = client.request(method, path, headers=headers)
    except httpx.HTTPError as error:
        raise Temporary(
            Code.NOT_RUNNING, f"Nothing answers on {url} ({type(error).__name__}).", "Start it with 'voice-agent up'."
        ) from error
    if not answer.is_error:
        return answer
    try:
        said = answer.json()["error"]
        refusal = Permanent(Code(said["code"]), said["message"], said["remedy"])
    except (ValueError, KeyError, TypeError) as error:
        raise _something_else(settings) from error
    raise refusal


def _something_else(settings: Settings) -> Temporary:
    return Temporary(
        Code.NOT_RUNNING,
        f"What answers on {settings.page_url} is something else.",
        "Set VOICE_PORT to the port of voice-agent.",
    )
