"""Access check of the model server: programs of this machine may call it, web pages of other sites may not.

A browser on this machine sends what any page tells it to send. So a request must name this server by an address of this
machine (with DNS rebinding it names another host), must not be marked as cross-site, and must have a content type that
a page can send to another site only after a CORS preflight, which is refused.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from voice_agent.addresses import host_name, is_loopback
from voice_agent.errors import Code, Permanent
from voice_agent.models.responses import error_response
from voice_agent.providers.local_server import PCM, TURN_END

TRANSCRIPTIONS: Final = "/v1/audio/transcriptions"
_TYPES: Final = {TRANSCRIPTIONS: "multipart/form-data", f"/v1{TURN_END}": PCM}
_JSON: Final = "application/json"
_OWN_SITE: Final = frozenset({"same-origin", "none"})
"""Allowed values of Sec-Fetch-Site. Programs do not send it."""


class OwnCallers:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(scope) if scope["type"] == "http" else None
        app = error_response(refusal) if refusal else self._app
        await app(scope, receive, send)


def _refusal(scope: Scope) -> Permanent | None:
    headers = Headers(scope=scope)
    host, origin = headers.get("host", ""), headers.get("origin")
    if not is_loopback(host_name(host)):
        return Permanent(
            Code.FORBIDDEN,
            "The Host of this request is not an address of this machine.",
            "Call the model server by http://127.0.0.1.",
        )
    if origin not in (None, f"http://{host}") or headers.get("sec-fetch-site", "none") not in _OWN_SITE:
        return Permanent(
            Code.FORBIDDEN,
            "A web page of another site made this request.",
            "The model server is for programs of this machine; let a server of yours call it.",
        )
    sent = headers.get("content-type", "").partition(";")[0].strip().lower()
    taken = _TYPES.get(scope["path"], _JSON)
    if scope["method"] == "POST" and sent != taken:
        return Permanent(Code.MEDIA_TYPE_REFUSED, f"The content type is {sent or 'missing'}.", f"Send {taken}.")
    return None
