"""Error classes and codes: every failure that reaches a user has a stable code, a sentence and a remedy.

The HTTP answer, the log line and the page show the same three. Adapters translate their vendor's exceptions into
`Temporary` (worth a retry) or `Permanent` (a retry changes nothing).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """Stable error codes. Never rename one: clients compare them."""

    # mistakes in what a caller sent
    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    MEDIA_TYPE_REFUSED = "media_type_refused"
    VERSION_REQUIRED = "version_required"
    VERSION_CONFLICT = "version_conflict"
    RATE_LIMITED = "rate_limited"
    AGENT_NOT_FOUND = "agent_not_found"
    AGENT_AMBIGUOUS = "agent_ambiguous"
    SESSION_NOT_FOUND = "session_not_found"
    SESSION_EXPIRED = "session_expired"
    BUSINESS_REQUIRED = "business_required"
    VOICE_UNKNOWN = "voice_unknown"
    MODEL_NOT_SERVED = "model_not_served"
    BROWSER_KEY_UNKNOWN = "browser_key_unknown"
    DELETION_PENDING = "deletion_pending"
    SIGN_IN_OFF = "sign_in_off"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGN_IN_UNAVAILABLE = "sign_in_unavailable"
    BAD_JOB_METADATA = "bad_job_metadata"
    BAD_CLIENT_MESSAGE = "bad_client_message"
    # failures of a service or a dependency
    DATABASE_UNAVAILABLE = "database_unavailable"
    LIVEKIT_UNAVAILABLE = "livekit_unavailable"
    LIVEKIT_REFUSED = "livekit_refused"
    LETTA_UNAVAILABLE = "letta_unavailable"
    LETTA_REFUSED = "letta_refused"
    MEMORY_EMPTY = "memory_empty"
    MEMORY_TORN = "memory_torn"
    MEMORY_TRUNCATED = "memory_truncated"
    MEMORY_BEHIND = "memory_behind"
    RETENTION_BEHIND = "retention_behind"
    OUTBOX_FULL = "outbox_full"
    LLM_FAILED = "llm_failed"
    STT_FAILED = "stt_failed"
    TTS_FAILED = "tts_failed"
    EMBEDDING_FAILED = "embedding_failed"
    TURN_FAILED = "turn_failed"
    MODEL_UNKNOWN = "model_unknown"
    MODEL_CORRUPT = "model_corrupt"
    MODEL_UNREACHABLE = "model_unreachable"
    MODEL_BUSY = "model_busy"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    NO_WORKER = "no_worker"
    NO_WORKER_FOR_ROOM = "no_worker_for_room"
    WORKER_FULL = "worker_full"
    AGENT_FAILS = "agent_fails"
    LEASE_LOST = "lease_lost"
    # settings and start-up
    SETTING_INVALID = "setting_invalid"
    SETTING_UNKNOWN = "setting_unknown"
    SETTINGS_FILE_MALFORMED = "settings_file_malformed"
    PORT_TAKEN = "port_taken"
    ALREADY_RUNNING = "already_running"
    NOT_RUNNING = "not_running"
    NOT_READY = "not_ready"
    BUILD_FAILED = "build_failed"
    DOWNLOAD_FAILED = "download_failed"
    DISK_FULL = "disk_full"
    FILE_UNUSABLE = "file_unusable"
    INTERNAL = "internal"


class VoiceAgentError(Exception):
    """Base of our errors: a code, what happened, and what to do about it."""

    def __init__(self, code: Code, message: str, remedy: str = "", **detail: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]" + (f" {self.remedy}" if self.remedy else "")

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors are pickled across process borders (job processes, model children); the default loses the keywords.
        return _rebuild, (type(self), self.code, self.message, self.remedy, self.detail)

    def as_dict(self) -> dict[str, Any]:
        return {"code": str(self.code), "message": self.message, "remedy": self.remedy}


def _rebuild(
    cls: type[VoiceAgentError], code: Code, message: str, remedy: str, detail: dict[str, Any]
) -> VoiceAgentError:
    return cls(code, message, remedy, **detail)


class Temporary(VoiceAgentError):
    """Failure of a call that may succeed when tried again."""


class Permanent(VoiceAgentError):
    """Failure that recurs until a setting, a request or a service changes."""
