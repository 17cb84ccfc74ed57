"""People registry: person ids, which say whose memory is used, and the keys by which a browser is recognised.

A person id is text with its kind in front: `user:<business>:<user>`, `browser:<id>`, `owner`, `session:<id>`. It is
public; its proof (a signed assertion, the admin secret, a browser key) is secret.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from voice_agent.contracts import PERSON_ID_CHARS
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.registry.model import Profile, StoredPerson
from voice_agent.registry.ports import PeopleStore

OWNER: Final = "owner"
"""Every unidentified caller on this machine, when no other machine can call."""


class PersonKind(StrEnum):
    USER = "user"
    BROWSER = "browser"
    OWNER = "owner"
    SESSION = "session"
    """Known for one session only."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Verified facts about a caller's identity."""

    session_id: str
    business_id: str = ""
    user_id: str = ""
    """From a signed assertion, or stated by an administrator."""
    browser_person: str = ""
    """The person of the browser key that was sent."""
    local_owner: bool = False
    """The call comes from this machine, and only this machine may call."""


_PRECEDENCE: Final[tuple[Callable[[Evidence], str], ...]] = (
    lambda e: user_person(e.business_id, e.user_id) if e.user_id else "",
    lambda e: e.browser_person,
    lambda e: OWNER if e.local_owner else "",
    lambda e: f"{PersonKind.SESSION}:{e.session_id}",
)
"""The first non-empty result is the person id."""


def person_of(evidence: Evidence) -> str:
    return next(found for known in _PRECEDENCE if (found := known(evidence)))


def user_person(business_id: str, user_id: str) -> str:
    """The same user id in two businesses is two people. Quoted, so that no two pairs of ids give the same text."""
    plain = f"{quote(business_id, safe='@')}:{quote(user_id, safe='@')}"
    if len(plain) > PERSON_ID_CHARS - len(PersonKind.USER) - 1:
        # Has no second colon, unlike every quoted pair.
        plain = f"sha256-{hashlib.sha256(plain.encode()).hexdigest()}"
    return f"{PersonKind.USER}:{plain}"


def kind_of(person_id: str) -> PersonKind:
    return PersonKind(person_id.partition(":")[0])


def outlives_session(person_id: str) -> bool:
    """Whether this person can be recognised in another session."""
    return bool(person_id) and kind_of(person_id) is not PersonKind.SESSION


@dataclass(frozen=True, slots=True)
class Issued:
    person_id: str
    key: str
    """Shown once; only its hash is stored."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials of a caller; only the browser key is not verified yet."""

    business_id: str = ""
    user_id: str = ""
    browser_key: str = ""
    local_owner: bool = False
    takes_key: bool = False
    """The answer can carry a new key."""


@dataclass(frozen=True, slots=True)
class Identified:
    person_id: str
    new_key: str = ""
    notice: Permanent | None = None
    """Why the browser key that was sent does not count."""


class People:
    def __init__(self, store: PeopleStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def issue(self) -> Issued:
        """A new person with a key of their own."""
        issued = Issued(f"{PersonKind.BROWSER}:{secrets.token_hex(12)}", secrets.token_urlsafe(32))
        await self._store.add(StoredPerson(issued.person_id, _hash(issued.key), self._clock()))
        return issued

    async def resolve(self, key: str) -> str | None:
        """The person of a key. None: the key is unknown or revoked; both get the same answer."""
        wanted = _hash(key)
        found = await self._store.by_key_hash(wanted)
        # Looked up by hash: its timing reveals nothing about a key. The comparison is the same for all.
        same = hmac.compare_digest(found.key_hash if found else _hash(""), wanted)
        return found.person_id if found and same and found.revoked_at is None else None

    async def revoke(self, person_id: str) -> bool:
        """Makes the person's key useless. False: there is no such key, or it was revoked before."""
        return await self._store.revoke(person_id, self._clock())

    async def profile(self, person_id: str) -> Profile:
        return await self._store.profile(person_id)

    async def rename(self, person_id: str, user_name: str) -> Profile:
        """An empty name: the person is called by none."""
        await self._store.set_name(person_id, user_name, self._clock())
        return await self._store.profile(person_id)

    async def is_known(self, person_id: str) -> bool:
        return await self._store.is_known(person_id)

    async def welcome(self, person_id: str) -> Profile:
        """The profile of a person who is about to talk. Raises while their deletion is not finished: what they told
        now would be deleted with the rest."""
        profile = await self._store.profile(person_id)
        if profile.being_deleted:
            raise Temporary(
                Code.DELETION_PENDING,
                "What is known about you is still being deleted.",
                "Try again in a moment.",
                retry_after=5,
            )
        return profile

    async def identify(self, credentials: Credentials, session_id: str) -> Identified:
        """The person of a caller, with a new key if one is needed for recognising them later."""
        person_id = person_of(await self._evidence(credentials, session_id))
        if kind_of(person_id) is not PersonKind.SESSION or not credentials.takes_key:
            return Identified(person_id)
        issued = await self.issue()
        return Identified(issued.person_id, issued.key, _key_unknown() if credentials.browser_key else None)

    async def proven(self, credentials: Credentials) -> str:
        """The person of a caller, known apart from any session; empty: there is none."""
        person_id = person_of(await self._evidence(credentials, session_id=""))
        return person_id if outlives_session(person_id) else ""

    async def _evidence(self, credentials: Credentials, session_id: str) -> Evidence:
        known = await self.resolve(credentials.browser_key) if credentials.browser_key else None
        return Evidence(
            session_id=session_id,
            business_id=credentials.business_id,
            user_id=credentials.user_id,
            browser_person=known or "",
            # A caller with a key asks to be told from others on this machine: an unknown key must not make them owner.
            local_owner=credentials.local_owner and not credentials.browser_key,
        )


def _hash(key: str) -> str:
    # A random 256-bit key needs no slow hash; the stored value must only not be usable as a key.
    return hashlib.sha256(key.encode()).hexdigest()


def _key_unknown() -> Permanent:
    return Permanent(
        Code.BROWSER_KEY_UNKNOWN,
        "This browser's key is not known here, so the assistant does not know you yet.",
        "Just go on: the browser was given a new key and is recognised with it from now on.",
    )
