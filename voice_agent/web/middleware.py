"""Middleware for all requests: checks of host, origin and body size, and security headers of the answer."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voice_agent.addresses import host_name, is_loopback
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.settings import Settings
from voice_agent.web.errors import answer

MAX_BODY: Final = 256 * 1024
_OURS: Final = frozenset({"same-origin", "none"})
"""`Sec-Fetch-Site` of our page's requests, and of a URL that the user typed."""
_PAGE: Final = re.compile(r"/|/talk/[^/]+|/conversations(?:/[^/]+)?|/sign-in/callback")
"""Addresses of our page (pages.py), and the way back to it from where somebody signs in."""


class RequestGuard:
    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._origins = allowed_origins(settings)
        self._names = _names(settings)
        self._any_address = bool(settings.admin_secret)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                host, secure = host_name(Headers(scope=scope).get("host", "")), scope["scheme"] == "https"
                livekit = self._settings.livekit_url_for(host, secure=secure)
                for name, value in security_headers(livekit).items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(scope["method"], scope["path"], Headers(scope=scope))
        except VoiceAgentError as error:
            await answer(error)(scope, receive, send_guarded)
            return
        await self._app(scope, _bounded(receive), send_guarded)

    def _check(self, method: str, path: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if not self._is_our_name(_host_of(f"//{host}")):
            # A foreign page whose name was made to resolve to this machine (DNS rebinding).
            raise Permanent(
                Code.FORBIDDEN,
                "The Host of this request is not a name of this server.",
                "Use http://127.0.0.1; with an admin secret also an IP address, or a name that VOICE_CORS_ORIGINS has.",
            )
        if self._is_foreign(host, headers) and not _opens_the_page(method, path, headers):
            raise Permanent(Code.FORBIDDEN, "Other sites may not do this.", "Add the origin to VOICE_CORS_ORIGINS.")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or len(length) > 12 or int(length) > MAX_BODY:
            raise _too_large()

    def _is_our_name(self, name: str) -> bool:
        # An IP address needs no DNS, so it cannot be rebound to this machine.
        return is_loopback(name) or name in self._names or (self._any_address and _is_address(name))

    def _is_foreign(self, host: str, headers: Headers) -> bool:
        """Whether a page of another site asks, with `Origin` or without it (as for an image)."""
        origin = headers.get("origin")
        if origin is not None:
            return origin not in self._origins and (not _host_of(origin) or urlsplit(origin).netloc != host)
        return headers.get("sec-fetch-site", "none") not in _OURS


def _opens_the_page(method: str, path: str, headers: Headers) -> bool:
    """Whether a user follows a link to our page, or comes back to it from where they sign in."""
    return method == "GET" and _PAGE.fullmatch(path) is not None and headers.get("sec-fetch-mode") == "navigate"


def _host_of(url: str) -> str:
    """Empty for a malformed URL."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _names(settings: Settings) -> frozenset[str]:
    """Host names of this server besides loopback; none without an admin secret: only this machine may call then."""
    if not settings.admin_secret:
        return frozenset()
    return frozenset({settings.host.lower(), *map(_host_of, allowed_origins(settings))}) - {""}


def _bounded(receive: Receive) -> Receive:
    """Bounds the body's size, also of chunked bodies without Content-Length."""
    total = 0

    async def read() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MAX_BODY:
            raise _too_large()
        return message

    return read


def _too_large() -> Permanent:
    return Permanent(Code.TOO_LARGE, f"The request is larger than {MAX_BODY // 1024} KiB.", "Send less.")


def allowed_origins(settings: Settings) -> frozenset[str]:
    return frozenset(origin.strip() for origin in settings.cors_origins.split(",") if origin.strip())


def security_headers(livekit_url: str) -> dict[str, str]:
    livekit = urlsplit(livekit_url)
    secure = livekit.scheme in ("wss", "https")
    origins = f"{'wss' if secure else 'ws'}://{livekit.netloc} {'https' if secure else 'http'}://{livekit.netloc}"
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "media-src": "'self' blob: mediastream:",
        "worker-src": "'self' blob:",
        "connect-src": f"'self' {origins}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
        "Cache-Control": "no-store",
    }
