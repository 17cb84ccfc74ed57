"""Sign-ins: the attempts that are under way at a provider, and the sessions of browsers that are signed in.

Of every secret only a hash is stored.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, insert, select

from voice_agent.registry.people import user_person
from voice_agent.registry.tables import sign_in_attempts, sign_ins
from voice_agent.storage.database import Database

SIGNED_IN_FOR: Final = 30 * 24 * 3600
"""Seconds."""
ATTEMPT_FOR: Final = 600
_PREFIX: Final = "oidc-"


def signed_in_user(issuer: str, subject: str) -> str:
    """The user id of who signed in: of issuer and subject, which alone are stable. It tells neither."""
    return _PREFIX + hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()[:40]


def user_of(person_id: str) -> str:
    """The user id of a person who signed in."""
    return person_id.removeprefix(user_person("", ""))


@dataclass(frozen=True, slots=True)
class Attempt:
    """What ties the provider's answer to the browser that asked."""

    state: str
    nonce: str
    code_verifier: str


class SignIns:
    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, attempt: Attempt) -> str:
        """Returns the secret of the browser."""
        secret, now = secrets.token_urlsafe(32), self._clock()
        row = {"state": attempt.state, "nonce": attempt.nonce, "code_verifier": attempt.code_verifier}
        async with self._database.begin() as connection:
            await connection.execute(delete(sign_in_attempts).where(sign_in_attempts.c.expires_at < now))
            values = {"secret_hash": _hash(secret), "expires_at": now + ATTEMPT_FOR, **row}
            await connection.execute(insert(sign_in_attempts).values(values))
        return secret

    async def take(self, secret: str) -> Attempt | None:
        """Each attempt is taken once. None: unknown, taken before, or too old."""
        mine = sign_in_attempts.c.secret_hash == _hash(secret)
        async with self._database.begin() as connection:
            row = (
                await connection.execute(delete(sign_in_attempts).where(mine).returning(sign_in_attempts))
            ).one_or_none()
        if row is None or row.expires_at < self._clock():
            return None
        return Attempt(row.state, row.nonce, row.code_verifier)

    async def open(self, user_id: str) -> tuple[str, str]:
        """Returns the person and the secret of the browser's session."""
        secret, now, person_id = secrets.token_urlsafe(32), self._clock(), user_person("", user_id)
        row = {"person_id": person_id, "created_at": now, "expires_at": now + SIGNED_IN_FOR}
        async with self._database.begin() as connection:
            await connection.execute(delete(sign_ins).where(sign_ins.c.expires_at < now))
            await connection.execute(insert(sign_ins).values({"secret_hash": _hash(secret), **row}))
        return person_id, secret

    async def person(self, secret: str) -> str | None:
        valid = (sign_ins.c.secret_hash == _hash(secret)) & (sign_ins.c.expires_at >= self._clock())
        async with self._database.read() as connection:
            found = await connection.scalar(select(sign_ins.c.person_id).where(valid))
        return None if found is None else str(found)

    async def close(self, secret: str) -> None:
        async with self._database.begin() as connection:
            await connection.execute(delete(sign_ins).where(sign_ins.c.secret_hash == _hash(secret)))


def _hash(secret: str) -> str:
    # A random 256-bit secret needs no slow hash; the stored value must only not be usable as a secret.
    return hashlib.sha256(secret.encode()).hexdigest()
