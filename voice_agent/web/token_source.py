"""Schemas of LiveKit's TokenSource contract, in its snake_case and its camelCase spelling."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from voice_agent.web.schemas import BrowserKey, Id, Name


class _Tolerant(BaseModel):
    """Fields that newer clients send are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True, alias_generator=to_camel)


class TokenSourceBody(_Tolerant):
    room_name: Annotated[str, StringConstraints(max_length=256)] | None = None
    """Accepted but ignored: the server decides which room a caller joins."""
    participant_identity: Annotated[str, StringConstraints(max_length=256)] | None = None
    """Ignored like `room_name`."""
    participant_name: Name | None = None
    participant_metadata: Annotated[str, StringConstraints(max_length=4096)] | None = None
    """Put into the token; nothing here reads it."""
    participant_attributes: TokenSourceAttributes | None = None
    room_config: TokenSourceRoom | None = None


_RESERVED: Final = ("va.", "lk.")


def _not_reserved(name: str) -> str:
    if name.startswith(_RESERVED):
        raise ValueError("only the server sets attributes that begin with va. or lk.")
    return name


_Others = TypeAdapter(
    Annotated[
        dict[
            Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_not_reserved)],
            Annotated[str, StringConstraints(max_length=1024)],
        ],
        Field(max_length=32),
    ]
)


class TokenSourceAttributes(BaseModel):
    """Four attributes are for the server. The others are put into the token; nothing here reads them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    agent_id: Id | None = None
    session_id: Id | None = None
    resume_secret: Annotated[str, StringConstraints(max_length=200)] | None = None
    browser_key: BrowserKey | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        try:
            _Others.validate_python(self.others, strict=True)
        except ValidationError as error:
            raise ValueError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from None
        return self

    @property
    def others(self) -> dict[str, Any]:
        return self.model_extra or {}


class TokenSourceAgent(_Tolerant):
    agent_name: Annotated[str, StringConstraints(max_length=200)] | None = None
    """Id or name of an assistant. The name under which our workers are registered means the default one."""
    metadata: Annotated[str, StringConstraints(max_length=4096)] | None = None
    """Names an assistant where `agent_name` does not: `{"agent_id": "..."}`, or its id or name alone."""


class TokenSourceRoom(_Tolerant):
    agents: Annotated[list[TokenSourceAgent], Field(max_length=16)] | None = None
    """The first one counts: one agent serves a room."""


class TokenSourceAnswer(BaseModel):
    server_url: str
    participant_token: str
    room_name: str
    participant_name: str
