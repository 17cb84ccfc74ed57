"""JSON schemas of requests and answers. Unknown fields of requests are refused, sizes are bounded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from voice_agent.contracts import Problem, Role, RoomPolicy
from voice_agent.memory.facts.fact import Fact, FactSource
from voice_agent.registry.config import AgentConfig, depth
from voice_agent.registry.model import Agent, Profile, Session
from voice_agent.registry.people import PersonKind, kind_of
from voice_agent.registry.texts import name_of_person, one_line, plain_document, some_lines
from voice_agent.web.errors import ErrorBody

Id = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:@-]+$")]
BrowserKey = Annotated[str, StringConstraints(max_length=4096)]
"""Of any form: the answer to a wrong key is a new key, not an error."""
Line = Annotated[str, StringConstraints(max_length=200), AfterValidator(one_line)]
Name = Annotated[str, StringConstraints(max_length=200), AfterValidator(name_of_person)]
"""Name of a person; at most 60 characters after normalisation."""
Email = Annotated[str, StringConstraints(max_length=320, pattern=r"^[^\s@]+@[^\s@]+$"), AfterValidator(one_line)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment(time: datetime) -> str:
    return iso(time.timestamp())


# --- agents ---


class AgentBody(_Asked):
    name: Annotated[Line, Field(min_length=1)]
    letta_agent_id: Id | None = None
    """The Letta agent whose memory it shares. None: it has one of its own, which is made for it."""
    description: Annotated[str, Field(max_length=4000), AfterValidator(some_lines)] = ""
    """What it does. Written into the blocks of its own Letta agent, as `task`."""
    role: Role = Role.GENERAL
    config: Annotated[AgentConfig, BeforeValidator(plain_document)] = AgentConfig()


class AgentItem(BaseModel):
    id: str
    kind: Literal["saved", "letta"]
    name: str
    description: str
    letta_agent_id: str
    own_memory: bool
    """Its Letta agent was made for it; it may still be shared by others."""
    model: str | None
    tags: list[str]
    role: Role
    available: bool
    default: bool
    resident: bool
    """The agent stays in its room without a human, too."""
    remembers: str
    """A line of its memory; empty for callers without administration rights."""
    facts: int | None = None
    """How many things it knows about the caller; null for a caller who is not known."""


class AgentDetail(AgentItem):
    config: dict[str, Any]
    version: int
    created_at: str | None
    updated_at: str | None


class LettaStanding(BaseModel):
    available: bool
    error: ErrorBody | None = None


class LanguageModel(BaseModel):
    model: str
    small_and_local: bool
    """The LLM runs on this machine: small, with short and often inexact answers."""


class AgentList(BaseModel):
    agents: list[AgentItem]
    letta: LettaStanding
    llm: LanguageModel
    providers: list[ErrorBody]
    """Failures of STT, LLM, TTS, embeddings or VAD; empty when they work."""


class VoiceChoice(BaseModel):
    id: str
    """For `config.providers.tts.voice`."""
    name: str
    language: str
    """Language tag; empty: not known, or any."""
    preview: bool


class Voices(BaseModel):
    voices: list[VoiceChoice]
    complete: bool
    """Another voice is refused. False: the TTS has others, or does not tell."""
    default: str


def agent_item(
    agent: Agent, default_id: str, *, confidential: bool, counts: Mapping[str, int] | None = None
) -> AgentItem:
    """`counts`: Letta agent → number of facts about the caller; None: the caller is not known."""
    shown = _shown(agent, default_id)
    known = None if counts is None else counts.get(agent.letta_agent_id, 0)
    return AgentItem(**shown if confidential else shown | {"remembers": ""}, facts=known)


def agent_detail(agent: Agent, default_id: str) -> AgentDetail:
    return AgentDetail(
        **_shown(agent, default_id),
        config=agent.config,
        version=agent.version,
        created_at=iso(agent.created_at) if agent.created_at else None,
        updated_at=iso(agent.updated_at) if agent.updated_at else None,
    )


def _shown(agent: Agent, default_id: str) -> dict[str, Any]:
    return {
        "id": agent.id,
        "kind": agent.kind.value,
        "name": agent.name,
        "description": agent.description,
        "letta_agent_id": agent.letta_agent_id,
        "own_memory": agent.own_memory,
        "model": agent.model,
        "tags": list(agent.tags),
        "role": agent.role,
        "available": agent.available,
        "default": agent.id == default_id,
        "resident": agent.config.get("room_policy") == RoomPolicy.RESIDENT,
        "remembers": agent.remembers,
    }


# --- sessions ---


class Vouched(_Asked):
    """Claims of a signed assertion about a person."""

    user_id: Id
    role: Role
    business_id: Id | Literal[""]
    user_name: Name
    user_email: Annotated[str, StringConstraints(max_length=320), AfterValidator(one_line)]


def _shallow(document: dict[str, Any]) -> dict[str, Any]:
    if depth(document) > _OVERRIDES_DEPTH:
        raise ValueError(f"nested deeper than {_OVERRIDES_DEPTH}")
    return document


_OVERRIDES_DEPTH: Final = 32
"""Bound for the code that processes overrides recursively."""
Overrides = Annotated[dict[str, Any], AfterValidator(_shallow), AfterValidator(plain_document)]


TokenTtl = Annotated[int, Field(ge=10, le=2**31)]
"""Validity of the participant token in seconds, at most VOICE_TOKEN_TTL."""


CallId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
"""`call_id` of the last answer, sent by a client that reconnects by itself, without a new press of "connect"."""


class SessionBody(_Asked):
    user_identity: Id | None = None
    user_name: Name | None = None
    user_email: Email | None = None
    role: Role | None = None
    business_id: Id | None = None
    agent_id: Id | None = None
    agent_config: Overrides | None = None
    session_id: Id | None = None
    resume_secret: Annotated[str, StringConstraints(max_length=200)] | None = None
    browser_key: BrowserKey | None = None
    token_ttl: TokenTtl | None = None
    call_id: CallId | None = None


class TokenBody(_Asked):
    token_ttl: TokenTtl | None = None
    call_id: CallId | None = None


class SwitchBody(_Asked):
    agent_id: Id


class BoundAgent(BaseModel):
    id: str
    name: str
    letta_agent_id: str


class PersonItem(BaseModel):
    """The person whose memory is used."""

    id: str
    kind: PersonKind


class NewPerson(BaseModel):
    person_id: str
    key: str
    """Shown only now; for `browser_key` of POST /session."""


class PersonProfile(BaseModel):
    person_id: str
    kind: PersonKind
    user_name: str
    """The name by which the person wants to be called; empty: none was given."""
    has_key: bool
    """The person is recognised by a browser key, which can be revoked."""
    deletion_pending: bool
    """Everything about them was deleted here; the rest follows."""


class SignInStanding(BaseModel):
    available: bool
    """A provider is configured."""
    person: PersonProfile | None
    """The person as whom this browser is signed in."""


class ProfileBody(_Asked):
    user_name: Name
    """Empty: none."""


class KeptBlocks(BaseModel):
    agent_id: str
    labels: list[str]


class PersonDeleted(BaseModel):
    person_id: str
    state: Literal["done", "pending"]
    message: str
    remedy: str
    kept: list[KeptBlocks]
    """Memory blocks of assistants that stay, because they belong to the assistant: of the owner only."""


class ExportedTurn(BaseModel):
    said_at: str | None
    speaker: str
    said: str
    answer: str
    interrupted: bool


class ExportedSession(BaseModel):
    session_id: str
    agent: str
    """Name of the assistant; its Letta agent id when it has none here any more."""
    began_at: str | None
    ended_at: str | None
    """None: it goes on, or is not kept any more."""
    user_name: str
    user_email: str
    turns: list[ExportedTurn]


class ExportedFact(BaseModel):
    fact_id: str
    agent: str
    text: str
    said_at: str
    session_id: str
    said: str
    """What was said, where it is kept."""
    source: FactSource
    replaced: bool
    """A later fact corrects it."""


class ExportedNote(BaseModel):
    agent: str
    text: str


class PersonExport(BaseModel):
    exported_at: str
    person: PersonProfile
    known_since: str | None
    sessions: list[ExportedSession]
    facts: list[ExportedFact]
    notes: list[ExportedNote]
    """What assistants noted about the person in their own words."""
    incomplete: ErrorBody | None
    """Why the notes are missing."""


class FactText(_Asked):
    text: Annotated[Line, StringConstraints(strip_whitespace=True), Field(min_length=1)]


class FactItem(BaseModel):
    """One sentence about a person."""

    fact_id: str
    agent_id: str
    """The Letta agent id of the assistant that remembers it."""
    text: str
    said_at: str
    session_id: str
    source: FactSource
    replaces: str
    """Id of the fact that it replaces; empty: none."""


class PersonMemory(BaseModel):
    person_id: str
    facts: list[FactItem]
    pending: int
    """Turns whose facts are not extracted yet."""
    parked: int
    """Turns whose facts could not be extracted."""
    archive_pending: int
    """Facts that are not in Letta yet."""


class Forgotten(BaseModel):
    forgotten: int


def fact_item(fact: Fact) -> FactItem:
    return FactItem(
        fact_id=fact.fact_id,
        agent_id=fact.letta_agent_id,
        text=fact.text,
        said_at=iso(fact.said_at.timestamp()),
        session_id=fact.session_id,
        source=fact.source,
        replaces=fact.replaces,
    )


def person_item(session: Session) -> PersonItem:
    # A session of an earlier version has no person until it is resumed.
    person_id = session.person_id or f"{PersonKind.SESSION}:{session.id}"
    return PersonItem(id=person_id, kind=kind_of(person_id))


def profile_item(profile: Profile) -> PersonProfile:
    return PersonProfile(
        person_id=profile.person_id,
        kind=kind_of(profile.person_id),
        user_name=profile.user_name,
        has_key=profile.has_key,
        deletion_pending=profile.being_deleted,
    )


class SessionAnswer(BaseModel):
    session_id: str
    resume_secret: str
    room_name: str
    server_url: str
    participant_token: str
    participant_identity: str
    token_ttl: int
    """Validity of the token in seconds."""
    expires_at: str
    call_id: str
    """Id of the call that begins with this token."""
    resumed: bool
    agent: BoundAgent
    config: dict[str, Any]
    person: PersonItem
    browser_key: str | None
    """A new key, for the caller to keep and send from now on."""
    notice: ErrorBody | None


class TokenAnswer(BaseModel):
    server_url: str
    participant_token: str
    participant_identity: str
    token_ttl: int
    expires_at: str
    call_id: str


class SessionItem(BaseModel):
    session_id: str
    room_name: str
    agent: BoundAgent
    role: Role
    business_id: str
    user_id: str
    user_name: str
    person: PersonItem
    created_at: str
    expires_at: str
    ended: bool


class SessionList(BaseModel):
    sessions: list[SessionItem]


class Message(BaseModel):
    turn_id: str
    episode: int
    role: Literal["user", "assistant"]
    speaker: str
    text: str
    interrupted: bool
    tools: list[str] = []
    said_at: str = ""
    """When the person said it; an answer has the time of its question."""


class Transcript(BaseModel):
    session_id: str
    messages: list[Message]


class ResetAnswer(BaseModel):
    reset: Literal["done", "pending", "not_needed"]
    episode: int


class AgentPresence(BaseModel):
    identity: str
    ready: bool
    state: str
    episode: int


class RoomItem(BaseModel):
    name: str
    policy: RoomPolicy
    session_id: str
    agent_id: str
    humans: int
    agents: list[AgentPresence]
    problem: Problem | None


class RoomList(BaseModel):
    rooms: list[RoomItem]


class SessionStanding(BaseModel):
    session_id: str
    room_name: str
    expires_at: str
    ended: bool
    agent: BoundAgent
    person: PersonItem
    humans: int
    agents: list[AgentPresence]
    problem: Problem | None


# --- conversations of a person ---


class ConversationItem(BaseModel):
    session_id: str
    agent: BoundAgent | None
    """Null: the session's record was deleted before what was said in it."""
    began_at: str
    last_at: str
    """When the last turn began."""
    turns: int
    seconds: int
    """From the first to the last turn of each visit, without the time between visits."""
    first_words: str
    found: str
    """An excerpt with a word that was searched for; empty without a search."""
    resumable: bool
    """The session is still valid: POST /session with its id returns to it, else opens another that knows it."""


class ConversationList(BaseModel):
    conversations: list[ConversationItem]
    next: int | None
    """`before` of the next page; null: there is none."""


class ConversationTranscript(BaseModel):
    conversation: ConversationItem
    messages: list[Message]


class DeletedConversation(BaseModel):
    turns: int
    facts_forgotten: int
    """Facts that were learned from this conversation and are known no more."""
