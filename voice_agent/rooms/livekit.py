"""LiveKit API adapter: rooms, participants, dispatches, tokens, webhooks. Translates LiveKit's errors into ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import jwt
from google.protobuf.json_format import ParseError
from google.protobuf.message import DecodeError
from livekit import api
from livekit.protocol.agent_dispatch import AgentDispatch
from livekit.protocol.models import DataPacket, ParticipantInfo
from pydantic import ValidationError

from voice_agent.contracts import (
    CONTROL_TOPIC,
    ROOM_LIFETIME,
    AgentAttribute,
    ControlMessage,
    HumanAttribute,
    JobMetadata,
    RoomMetadata,
)
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.rooms.signed_messages import sign
from voice_agent.settings import Settings

_REQUEST_TIMEOUT: Final = 5.0
_HUMANS: Final = frozenset({ParticipantInfo.STANDARD, ParticipantInfo.SIP, ParticipantInfo.CONNECTOR})
_JOINED: Final = "participant_joined"
_AGENT_NAME: Final = "lk.agent_name"
_GONE: Final = api.TwirpErrorCode.NOT_FOUND


@dataclass(frozen=True, slots=True)
class Participant:
    """Participant of a room. The kind that the server set tells humans from agents, never a name."""

    identity: str
    sid: str
    is_human: bool
    is_agent: bool
    joined_at_ms: int
    attributes: Mapping[str, str]

    @property
    def session_id(self) -> str:
        """Empty: it did not join with one of our tokens."""
        return self.attributes.get(HumanAttribute.SESSION_ID, "")

    @property
    def agent_name(self) -> str:
        """Of an agent: the name under which its worker is registered, by LiveKit."""
        return self.attributes.get(_AGENT_NAME, "")

    @property
    def ready(self) -> bool:
        return self.attributes.get(AgentAttribute.READY) == "1"

    @property
    def state(self) -> str:
        return self.attributes.get(AgentAttribute.STATE, "")

    @property
    def episode(self) -> int:
        text = self.attributes.get(AgentAttribute.EPISODE, "")
        return int(text) if text.isascii() and text.isdigit() else 0


@dataclass(frozen=True, slots=True)
class LiveRoom:
    name: str
    sid: str
    metadata: RoomMetadata | None
    """None: it is not marked as a room of ours."""
    occupied: bool = True


@dataclass(frozen=True, slots=True)
class Dispatched:
    """Dispatch of a room, by anybody."""

    agent_name: str
    metadata: str


@dataclass(frozen=True, slots=True)
class Webhook:
    id: str
    event: str
    room: str
    joined: Participant | None = None
    """The participant whose media has just been connected."""


class LiveKit:
    def __init__(self, settings: Settings) -> None:
        self.agent_name = settings.livekit_agent_name
        self._key, self._secret = settings.livekit_api_key, settings.livekit_api_secret
        if not (self._key and self._secret):
            raise Permanent(
                Code.SETTING_INVALID,
                "LIVEKIT_API_KEY or LIVEKIT_API_SECRET is not set.",
                "Set both to those of the server at LIVEKIT_URL; for one of ours 'voice-agent up' generates them.",
            )
        self.url = settings.effective_livekit_url
        self.longest_token = settings.token_ttl
        # Only LiveKit Cloud has regional fail-over; elsewhere the client would only repeat requests unseen by us.
        self._api = api.LiveKitAPI(
            self.url,
            self._key,
            self._secret,
            timeout=aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT),
            failover=urlsplit(self.url).hostname is not None
            and str(urlsplit(self.url).hostname).endswith(".livekit.cloud"),
        )

    async def close(self) -> None:
        await self._api.aclose()

    async def create_room(self, name: str, metadata: RoomMetadata) -> None:
        """Does nothing when the room exists. Its timeouts outlast every absence we promise to survive."""
        request = api.CreateRoomRequest(
            name=name,
            metadata=metadata.model_dump_json(),
            empty_timeout=ROOM_LIFETIME,
            departure_timeout=ROOM_LIFETIME,
        )
        with _translated():
            await self._api.room.create_room(request)

    async def update_metadata(self, name: str, metadata: RoomMetadata) -> None:
        with _translated(), _absent_is_fine():
            await self._api.room.update_room_metadata(
                api.UpdateRoomMetadataRequest(room=name, metadata=metadata.model_dump_json())
            )

    async def rooms(self, names: Iterable[str] = ()) -> list[LiveRoom]:
        """The rooms of these names; without names, all."""
        with _translated():
            answer = await self._api.room.list_rooms(api.ListRoomsRequest(names=list(names)))
        return [
            LiveRoom(room.name, room.sid, _metadata(room.metadata), occupied=room.num_participants > 0)
            for room in answer.rooms
        ]

    async def participants(self, room: str) -> list[Participant]:
        """Empty for a room that does not exist."""
        found: Iterable[ParticipantInfo] = ()
        with _translated(), _absent_is_fine():
            answer = await self._api.room.list_participants(api.ListParticipantsRequest(room=room))
            found = answer.participants
        return [_participant(p) for p in found if p.state != ParticipantInfo.DISCONNECTED]

    async def remove_participant(self, room: str, identity: str) -> None:
        with _translated(), _absent_is_fine():
            await self._api.room.remove_participant(api.RoomParticipantIdentity(room=room, identity=identity))

    async def dispatch(self, room: str, job: JobMetadata) -> str:
        request = api.CreateAgentDispatchRequest(agent_name=self.agent_name, room=room, metadata=job.model_dump_json())
        with _translated():
            return (await self._api.agent_dispatch.create_dispatch(request)).id

    async def dispatches(self, room: str) -> list[Dispatched]:
        """Empty for a room that does not exist."""
        found: Iterable[AgentDispatch] = ()
        with _translated(), _absent_is_fine():
            found = await self._api.agent_dispatch.list_dispatch(room)
        return [Dispatched(one.agent_name, one.metadata) for one in found]

    async def order(self, room: str, order: ControlMessage) -> None:
        """Sends a signed message to the agents of the room only."""
        agents = [one.identity for one in await self.participants(room) if one.is_agent]
        request = api.SendDataRequest(
            room=room,
            data=sign(order, room, self._secret),
            kind=DataPacket.Kind.RELIABLE,
            destination_identities=agents,
            topic=CONTROL_TOPIC,
        )
        if agents:
            with _translated(), _absent_is_fine():
                await self._api.room.send_data(request)

    async def delete_room(self, room: str) -> None:
        with _translated(), _absent_is_fine():
            await self._api.room.delete_room(api.DeleteRoomRequest(room=room))

    async def ping(self) -> None:
        with _translated():
            await self._api.room.list_rooms(api.ListRoomsRequest(names=["-"]))

    def token(
        self, room: str, identity: str, name: str, attributes: Mapping[str, str], ttl: float, *, metadata: str = ""
    ) -> str:
        """A token for one room and one identity, without the right to change the attributes set here."""
        grants = api.VideoGrants(
            room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=True,
            can_publish_sources=["microphone"], can_update_own_metadata=False,
        )  # fmt: skip
        token = api.AccessToken(self._key, self._secret).with_identity(identity).with_grants(grants)
        token = token.with_ttl(timedelta(seconds=ttl)).with_attributes(dict(attributes))
        token = token.with_metadata(metadata) if metadata else token
        return (token.with_name(name) if name else token).to_jwt()

    def webhook(self, body: str, authorization: str) -> Webhook:
        verifier = api.TokenVerifier(self._key, self._secret, leeway=timedelta(minutes=5))
        try:
            event = api.WebhookReceiver(verifier).receive(body, authorization.removeprefix("Bearer ").strip())
        except (jwt.PyJWTError, ParseError, ValueError) as error:
            raise _bad_webhook() from error
        except Exception as error:
            # The receiver raises a bare Exception for "hash mismatch" and "no hash", and for nothing else.
            if type(error) is Exception:
                raise _bad_webhook() from error
            raise
        joined = _participant(event.participant) if event.event == _JOINED else None
        return Webhook(event.id, event.event, event.room.name, joined)


def _participant(info: ParticipantInfo) -> Participant:
    return Participant(
        identity=info.identity,
        sid=info.sid,
        # A hidden participant (a recorder, an observer) does not count: nobody in the room sees it.
        is_human=info.kind in _HUMANS and not info.permission.hidden,
        is_agent=info.kind == ParticipantInfo.AGENT,
        joined_at_ms=info.joined_at_ms,
        attributes=dict(info.attributes),
    )


def _metadata(metadata: str) -> RoomMetadata | None:
    try:
        return RoomMetadata.model_validate_json(metadata)
    except ValidationError:
        return None


def _bad_webhook() -> Permanent:
    return Permanent(
        Code.UNAUTHORIZED, "This webhook is not signed by our LiveKit server.", "Check the API key and secret."
    )


@contextmanager
def _absent_is_fine() -> Iterator[None]:
    try:
        yield
    except api.TwirpError as error:
        if error.code != _GONE:
            raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except api.TwirpError as error:
        if error.status < 500 and error.code != api.TwirpErrorCode.RESOURCE_EXHAUSTED:
            raise Permanent(
                Code.LIVEKIT_REFUSED,
                f"LiveKit refused the request ({error.code}: {error.message}).",
                "Check LIVEKIT_API_KEY and LIVEKIT_API_SECRET.",
            ) from error
        raise _away(error.code) from error
    except DecodeError as error:
        raise Permanent(Code.LIVEKIT_REFUSED, "What answers is not a LiveKit server.", "Check LIVEKIT_URL.") from error
    except (aiohttp.ClientError, OSError) as error:
        raise _away(type(error).__name__) from error


def _away(why: str) -> Temporary:
    return Temporary(
        Code.LIVEKIT_UNAVAILABLE,
        f"The LiveKit server cannot be reached ({why}).",
        "See whether it is up with 'voice-agent status'; it is tried again by itself.",
    )
