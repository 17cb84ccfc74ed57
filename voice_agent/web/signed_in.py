"""The person as whom a browser is signed in, by its cookie."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Cookie, Depends

from voice_agent.web.auth import ServicesDep

COOKIE: Final = "va_session"


async def signed_in(
    services: ServicesDep, secret: Annotated[str, Cookie(alias=COOKIE, max_length=200)] = ""
) -> str | None:
    return await services.sign_ins.person(secret) if secret else None


SignedIn = Annotated[str | None, Depends(signed_in)]
