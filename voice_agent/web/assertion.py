"""Signed assertion (JWT) with which another site vouches for its user: no caller becomes an owner by a mere claim."""

from __future__ import annotations

from typing import Final

import jwt
from pydantic import ValidationError

from voice_agent.contracts import Role
from voice_agent.errors import Code, Permanent
from voice_agent.web.schemas import Vouched

HEADER: Final = "X-Voice-Assertion"
_SKEW: Final = 300
"""Seconds by which the clocks of two sites may differ."""


def verified(token: str, secret: str) -> Vouched:
    """Claims: sub (user id), exp, and as wanted role, business_id, name, email."""
    if not secret:
        raise _refused("This installation accepts no assertions.", "Set VOICE_ASSERTION_SECRET.")
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], leeway=_SKEW, options={"require": ["exp", "sub"]})
        return Vouched(
            user_id=claims["sub"],
            role=Role(claims.get("role", Role.GENERAL)),
            business_id=claims.get("business_id", ""),
            user_name=claims.get("name", ""),
            user_email=claims.get("email", ""),
        )
    except ValidationError as error:
        first = error.errors()[0]
        message = f"The assertion is not valid: {first['loc'][0]}: {first['msg'].removeprefix('Value error, ')}"
        raise _refused(message, "Sign a new one with claims that are allowed.") from error
    except (jwt.PyJWTError, ValueError) as error:
        raise _refused("The assertion is not valid.", "Sign a new one; it must carry sub and exp.") from error


def _refused(message: str, remedy: str) -> Permanent:
    return Permanent(Code.UNAUTHORIZED, message, remedy)
