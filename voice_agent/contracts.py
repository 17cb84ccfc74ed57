"""Shared contracts between processes: constants and data models without behaviour.

Participant attributes, job and room metadata, RPC and topic names with their payloads, the names of log events, and
the default numbers of the design.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

# --- default numbers (seconds unless named otherwise); settings override those a user may want to change ---

LEAVE_WAIT: Final = 2.0
"""`POST /session/{id}/leave` waits this long for the acknowledged reset."""
LETTA_LOOK_UP: Final = 2.5
"""Deadline for asking Letta for its agents; after it the registry answers alone, so that `POST /session` and
`GET /agents` answer within 3 s whatever Letta does."""
DISPATCH_COOLDOWN_MAX: Final = 30.0
LEASE_RENEWAL: Final = 3.0
LEASE_DEAD_AFTER: Final = 15.0
ANSWER_DEADLINE: Final = 20.0
"""An LLM request that has not begun to answer by then is cancelled, with an apology."""
DEAD_LOOP_AFTER: Final = 40.0
"""A final transcript without a reply or a failure notice for this long means that the agent is present but dead. Longer
than the sum of the deadlines of all providers that an answer needs, plus a late renewal of the lease."""
RECYCLE_LIMIT: Final = 3
RECYCLE_WINDOW: Final = 600.0
ROOM_LIFETIME: Final = 2**31 - 1
"""LiveKit has no "never" (0 means its default), so rooms get a lifetime longer than any absence."""

# --- rooms and jobs ---


class Role(StrEnum):
    OWNER = "owner"
    CUSTOMER = "customer"
    GENERAL = "general"


class RoomPolicy(StrEnum):
    SESSION = "session"
    SHARED = "shared"
    RESIDENT = "resident"
    ADOPTED = "adopted"
    """Of a room that others made: no assistant's configuration asks for it."""

    @property
    def of_several(self) -> bool:
        """Several people may be in the room, each for themselves."""
        return self in (RoomPolicy.SHARED, RoomPolicy.ADOPTED)


class MemoryScope(StrEnum):
    PERSONAL = "personal"
    READ_ONLY = "read_only"


class ReplyPath(StrEnum):
    HYBRID = "hybrid"
    LETTA = "letta"


class Audience(StrEnum):
    """The listeners of an assistant's memory block (memory/audience.py decides)."""

    OWNER = "owner"
    KNOWN = "known"
    """The owner, and users for whom a site or an administrator vouches."""
    EVERYONE = "everyone"


PERSONAL_LABELS: Final = frozenset(("human", "facts"))
"""Blocks about one person, heard by that person only: a home never copies them from its assistant."""


class _Wire(BaseModel):
    """Base of models that cross a process border: immutable, and unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(_Wire):
    """Reason why no agent answers in a room, as the page shows it."""

    code: str
    message: str
    remedy: str = ""


class RoomMetadata(_Wire):
    """LiveKit metadata of the rooms of an installation. Rooms without it are never touched."""

    owner: Literal["voice-agent"] = "voice-agent"
    installation: str
    policy: RoomPolicy = RoomPolicy.SESSION
    problem: Problem | None = None


class ProviderChoice(_Wire):
    """Provider of one role (STT, LLM, TTS) for an assistant. Absent: the installation's setting."""

    provider: str | None = Field(default=None, max_length=50, pattern=r"^[a-z][a-z0-9_]*$")
    """`openai` for every OpenAI-style endpoint, or the name of another livekit plugin."""
    base_url: str | None = Field(default=None, max_length=500, pattern=r"^https?://\S+$")
    model: str | None = Field(default=None, min_length=1, max_length=200)


class SttChoice(ProviderChoice):
    language: str | None = Field(default=None, max_length=20, pattern=r"^(auto|[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*)$")
    """`auto`: it is recognised."""


class TtsChoice(SttChoice):
    voice: str | None = Field(default=None, max_length=100)
    speed: float | None = Field(default=None, ge=0.25, le=4.0)


class VadChoice(_Wire):
    provider: str | None = Field(default=None, max_length=50, pattern=r"^[a-z][a-z0-9_]*$")


class ProviderChoices(_Wire):
    stt: SttChoice = SttChoice()
    llm: ProviderChoice = ProviderChoice()
    tts: TtsChoice = TtsChoice()
    vad: VadChoice = VadChoice()


AS_INSTALLED: Final = ProviderChoices()


class AgentBinding(_Wire):
    """The assistant that answers: bound by id, the name is for display only."""

    agent_id: str = Field(min_length=1, max_length=128)
    letta_agent_id: str = Field(min_length=1, max_length=128)
    name: str = Field(min_length=1, max_length=200)
    greeting: str | None = Field(default=None, max_length=2000)
    """None: the default greeting. An empty text: no greeting."""
    instructions: str = Field(default="", max_length=20_000)
    memory_scope: MemoryScope = MemoryScope.PERSONAL
    reply_path: ReplyPath = ReplyPath.HYBRID
    providers: ProviderChoices = AS_INSTALLED
    language: str = "en"
    """Code of a table in `voice_agent/languages`, or `auto`: the language of what the person says first."""
    audience: dict[str, Audience] = Field(default_factory=dict)
    """Block label → audience. Defaults for other labels: memory/audience.py."""


PERSON_ID_CHARS: Final = 300


class JobMetadata(_Wire):
    """Dispatch metadata, from the room-health monitor to a job. A job refuses what does not validate."""

    version: Literal[1] = 1
    room_name: str = Field(min_length=1, max_length=128)
    session_id: str = Field(min_length=1, max_length=64)
    policy: RoomPolicy = RoomPolicy.SESSION
    lease_epoch: int = Field(ge=0, default=0)
    agent: AgentBinding
    role: Role = Role.GENERAL
    business_id: str = ""
    user_id: str = ""
    """Authenticated user, empty when anonymous. The thread is that of (agent, business, user), else of the session."""
    user_name: str = ""
    person_id: str = Field(default="", max_length=PERSON_ID_CHARS)
    """The person whose memory is used (registry/people.py)."""
    continues: str = Field(default="", max_length=64)
    """An earlier session of this person with this assistant, whose last turns are quoted in the prompt."""

    @property
    def held_epoch(self) -> int:
        """Epoch of the lease that the worker took for this job; `lease_epoch` is the one before it."""
        return self.lease_epoch + 1


class AgentAttribute(StrEnum):
    """Participant attributes that an agent publishes about itself, as text. The page shows them."""

    STATE = "va.state"
    EPISODE = "va.episode"
    SESSION_ID = "va.session_id"
    AGENT_ID = "va.agent_id"
    LETTA_AGENT_ID = "va.letta_agent_id"
    AGENT_NAME = "va.agent_name"
    READY = "va.ready"
    """"1" once memory is loaded (or marked stale), the audio track is published and the agent listens."""
    MEMORY = "va.memory"
    """"fresh", "stale:<ISO time of the snapshot>", "absent" or "loading"."""
    BUILD = "va.build"
    PID = "va.pid"
    STARTED_AT = "va.started_at"
    LEASE_EPOCH = "va.lease_epoch"
    ERROR = "va.error"
    """"<code>: <sentence>" of the present failure; empty: none."""


class HumanAttribute(StrEnum):
    """Participant attributes that the server puts into a human's token; the client cannot change them."""

    ROLE = "va.role"
    BUSINESS_ID = "va.business_id"
    USER_ID = "va.user_id"
    USER_NAME = "va.user_name"
    PERSON_ID = "va.person_id"
    SESSION_ID = "va.session_id"
    CALL_ID = "va.call_id"
    """The press of "connect" for which the token was issued. A client that reconnects by itself keeps it."""


# --- topics and remote calls ---


class Topic(StrEnum):
    CHAT = "lk.chat"
    TRANSCRIPTION = "lk.transcription"
    NOTICE = "va.notice"
    """Agent → page: a `Notice` as JSON."""
    RECALL = "va.recall"
    """Agent → the speaker alone: a `RecallNote` as JSON, with each answer to which recall contributed."""


class Rpc(StrEnum):
    RESET = "va.reset"
    STATUS = "va.status"


class Notice(_Wire):
    """Message to the people in a room: a failure that was also spoken, a hint, a recovered service."""

    level: Literal["info", "warning", "error"]
    code: str
    message: str
    remedy: str = ""
    episode: int = 0


class RecalledFact(_Wire):
    fact_id: str
    text: str
    said_at: str
    """ISO time; empty: not known, as for what stands in a memory block."""


class RecallNote(_Wire):
    """The recalled facts an answer drew on."""

    turn_id: str
    facts: tuple[RecalledFact, ...] = ()
    untold: bool = False
    """The question was about the person, who never told anything that answers it."""


class StatusAnswer(_Wire):
    """Answer to `va.status` and, after its end, to `va.reset`."""

    state: str
    episode: int
    memory: str
    agent_id: str


# --- between our own processes ---

WEBHOOK_PATH: Final = "/webhooks/livekit"
"""LiveKit → serve."""
PROCESS_EXIT_PATH: Final = "/internal/process-exit"
"""Supervisor → serve: POST a `ProcessExit` with `Authorization: Bearer <VOICE_INTERNAL_SECRET>`; answered 204."""


CONTROL_TOPIC: Final = "va.control"
"""Server → agent: a signed `ControlMessage` (rooms/signed_messages.py), sent by the server API, so without a sending
participant."""


class Weight(StrEnum):
    """Weight of a task. Essential: nothing goes on without it. Optional: its failure is logged, the rest goes on."""

    ESSENTIAL = "essential"
    OPTIONAL = "optional"


class ControlMessage(_Wire):
    act: Literal["reset", "switch_agent", "drain"]
    agent: AgentBinding | None = None
    """With switch_agent: the assistant that answers from now on."""


class ProcessExit(_Wire):
    """Process exit report: this process and its children are gone, the leases they held are free."""

    process: str
    """Name of the service: "worker", "letta", …"""
    pid: int
    host: str
    exit_code: int | None = None


# --- the reconnect log ---


class LogEvent(StrEnum):
    """Names of the events; everything that varies is a field of the line."""

    TRANSITION = "lifecycle.transition"
    """fields: trigger, from, to, humans, memory, cause, effects"""
    EFFECT = "lifecycle.effect"
    """fields: effect, of_episode, detail, outcome (ok|failed|cancelled|dropped), duration_ms"""
    ILLEGAL = "lifecycle.illegal"
    STALE_RESULT = "lifecycle.stale_result"
    HUMAN_JOINED = "human.joined"
    HUMAN_LEFT = "human.left"
    RESET_STARTED = "reset.started"
    RESET_DONE = "reset.done"
    MEMORY_LOADED = "memory.loaded"
    MEMORY_FAILED = "memory.failed"
    MEMORY_TENDED = "memory.tended"
    """A Letta agent edited its blocks with its own tools; fields: turns, changed"""
    FACTS_LEARNED = "memory.learned"
    """Facts were extracted from a turn; fields: turn_id, facts, replaced"""
    FACTS_FORGOTTEN = "memory.forgotten"
    """Facts were forgotten at a person's request; fields: facts, turns (counts)"""
    PERSON_DELETED = "person.deleted"
    """Everything about a person was deleted, here and in Letta"""
    TASK_FAILED = "task.failed"
    """A task or an effect of a job, or a task of a process; fields: task, weight (essential: the assistant leaves, or
    the process ends|optional), code, message"""
    RECALLED = "memory.recalled"
    """Recall for a question; fields: turn_id, facts (count), untold (see `RecallNote`), ms"""
    GREETING = "greeting.spoken"
    TURN_STARTED = "turn.started"
    TURN_FINISHED = "turn.finished"
    TURN_STORED = "turn.stored"
    TURN_TIMED = "turn.timed"
    """A spoken question and its answer; fields: milliseconds at each step from the last sound to the first"""
    DISPATCH = "dispatch.requested"
    DISPATCH_FAILED = "dispatch.failed"
    GHOST_REMOVED = "room.ghost_removed"
    CALLER_REMOVED = "room.caller_removed"
    """The session of a participant's token has ended; fields: identity; from `serve` seconds (since it joined), from an
    agent session_id"""
    SEAT_GIVEN = "room.seat_given"
    """fields: by (the empty room whose agent leaves to free a worker's seat for this room)"""
    ROOM_OPENED = "room.opened"
    ROOM_CLOSED = "room.closed"
    ROOM_ADOPTED = "room.adopted"
    """A room that others made is served; fields: agent"""
    ROOM_RELEASED = "room.released"
    """It is served no longer, and not closed by us; fields: why"""
    LEASE_LOST = "lease.lost"
    JOB_STARTED = "job.started"
    JOB_ENDED = "job.ended"
    NOTICE = "notice"
    AUDIT = "audit"
    """fields: action, target, by (admin|session|anyone), address"""
