"""Authentication of requests: an administrator, the holder of a session's secret, or an anonymous caller."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from voice_agent.addresses import host_name, is_loopback
from voice_agent.contracts import LogEvent
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.settings import Settings
from voice_agent.web.services import Services, get_services


@dataclass(frozen=True, slots=True)
class Caller:
    is_admin: bool
    secret: str
    """The bearer token; empty without one."""
    address: str


SECRET_CHARS: Final = 16


def require_safe_binding(settings: Settings) -> None:
    """Without an admin secret every caller is an administrator, so the server must listen on loopback only."""
    if len(settings.admin_secret) < SECRET_CHARS and not is_loopback(settings.host):
        wrong = f"has fewer than {SECRET_CHARS} characters" if settings.admin_secret else "is not set"
        raise Permanent(
            Code.SETTING_INVALID,
            f"VOICE_HOST={settings.host} is reachable by others, but VOICE_ADMIN_SECRET {wrong}.",
            f"Set VOICE_ADMIN_SECRET to at least {SECRET_CHARS} random characters, or VOICE_HOST=127.0.0.1.",
        )


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


async def caller(request: Request, services: Annotated[Services, Depends(get_services)]) -> Caller:
    address = request.client.host if request.client else ""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    secret = secret.strip() if scheme.lower() == "bearer" else ""
    admin_secret = services.settings.admin_secret
    # Before the secret is compared: a caller that guesses learns nothing from a refusal.
    if admin_secret and secret and (wait := services.bearers.take(address, secret, time.monotonic())):
        raise slower("Too many different secrets came from this address.", wait)
    # On loopback without an admin secret a bearer is a session's secret, with the rights of that session only.
    is_admin = same(secret, admin_secret) if admin_secret else not secret
    return Caller(is_admin, secret, address)


def admin(who: Annotated[Caller, Depends(caller)]) -> Caller:
    if not who.is_admin:
        raise Permanent(
            Code.UNAUTHORIZED, "This needs administration rights.", "Send the admin secret: Authorization: Bearer …"
        )
    return who


def is_local_owner(who: Caller, settings: Settings) -> bool:
    """Whether only this machine may call and the call comes from it. A call that a proxy forwards from elsewhere does
    not."""
    return not settings.admin_secret and is_loopback(who.address)


def livekit_url(request: Request, services: Annotated[Services, Depends(get_services)]) -> str:
    """The LiveKit URL for this caller's browser."""
    host = host_name(request.headers.get("host", ""))
    return services.settings.livekit_url_for(host, secure=request.url.scheme == "https")


AnyCaller = Annotated[Caller, Depends(caller)]
LiveKitUrl = Annotated[str, Depends(livekit_url)]
Admin = Annotated[Caller, Depends(admin)]
ServicesDep = Annotated[Services, Depends(get_services)]


async def limited(services: ServicesDep, who: AnyCaller) -> None:
    if not who.is_admin and (wait := services.rate.take(who.address, time.monotonic())):
        raise slower("Too many sessions were opened from this address.", wait)


def slower(message: str, wait: float) -> Temporary:
    return Temporary(Code.RATE_LIMITED, message, f"Try again in {wait:.0f} s.", retry_after=int(wait) + 1)


def audit(services: Services, who: Caller, action: str, target: str) -> None:
    """Logs a change with its caller, never with a secret."""
    by = "admin" if who.is_admin else "session" if who.secret else "anyone"
    services.log.write(LogEvent.AUDIT, action=action, target=target, by=by, address=who.address)
