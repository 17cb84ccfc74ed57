"""Settings, each documented where it is defined. A value comes from the environment, else from `.env.local` in the
current folder, else from the secrets that `voice-agent up` generated, else it is the default.
"""

from __future__ import annotations

import difflib
import io
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from voice_agent.addresses import in_url, is_loopback, reachable
from voice_agent.errors import Code, Permanent
from voice_agent.languages import mistaken_language, primary
from voice_agent.urls import HTTP, LIVEKIT, mistake

ENV_FILE: Final = ".env.local"
STACK_FILE: Final = "stack.env"
"""Written by `voice-agent up` into VOICE_HOME (mode 0600): generated secrets."""
LIVEKIT_CLIENT_VERSION: Final = "2.23.0"
_OF_KUBERNETES: Final = re.compile(
    r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$"
)
"""Variables that Kubernetes sets in every pod for a Service named like our settings (`voice-agent`, `voice`).
`VOICE_PORT` and similar ones count too when their value is a service's address."""
_SERVICE_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://\S+")
_DRIVERS: Final = ("postgresql+asyncpg", "sqlite+aiosqlite")
_ORIGIN: Final = re.compile(r"https?://[^/?#@]+")
_OFF: Final = "off"
_ROLES: Final = ("owner", "customer", "general")
_PLUGIN: Final = r"^[a-z][a-z0-9_]*$"
_LANGUAGE: Final = r"^([A-Za-z]{2,3}([-_][A-Za-z0-9]+)*)?$"


def _default_home() -> Path:
    # Postgres refuses root and cannot read /root: root's state must be where an unprivileged user can reach it.
    if os.geteuid() == 0:
        return Path("/var/lib/voice-agent")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "voice-agent"


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voice-agent"


def _place(path: str | Path) -> Path:
    # Absolute: our processes run in other folders than the command that started them does.
    return Path(path).expanduser().absolute()


def _setting(
    name: str, doc: str, default: Any = ..., *, factory: Any = None, secret: bool = False, **limits: Any
) -> Any:
    extra: dict[str, Any] = {"secret": secret}
    if factory is not None:
        return Field(default_factory=factory, alias=name, description=doc, json_schema_extra=extra, **limits)
    return Field(default, alias=name, description=doc, json_schema_extra=extra, **limits)


class Settings(BaseModel):
    """Settings of this process. A URL is empty when the embedded service is used."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    home: Path = _setting(
        "VOICE_HOME",
        "State: database, logs, generated secrets, Letta's data; closed to other users.",
        factory=_default_home,
    )
    cache: Path = _setting(
        "VOICE_CACHE", "Downloads shared between checkouts: models, livekit-server.", factory=_default_cache
    )

    host: str = _setting("VOICE_HOST", "Address the page, the API and our LiveKit listen on.", "127.0.0.1")
    port: int = _setting("VOICE_PORT", "Port of the page and the API.", 9000, ge=0, le=65535)
    admin_secret: str = _setting(
        "VOICE_ADMIN_SECRET",
        "Bearer secret for administration; required off loopback, with at least 16 characters.",
        "",
        secret=True,
    )
    internal_secret: str = _setting("VOICE_INTERNAL_SECRET", "Shared by our own processes; generated.", "", secret=True)
    cors_origins: str = _setting(
        "VOICE_CORS_ORIGINS",
        "Origins of other sites that may call the API, by comma; empty: none. With an admin secret their names count "
        "as names of this server, too: name the one under which a reverse proxy is reached.",
        "",
    )
    sessions_per_minute: int = _setting(
        "VOICE_SESSIONS_PER_MINUTE", "Sessions one address may open per minute.", 30, ge=1
    )
    assertion_secret: str = _setting(
        "VOICE_ASSERTION_SECRET", "Key (HS256) with which your own site vouches for its users.", "", secret=True
    )
    oidc_issuer: str = _setting(
        "VOICE_OIDC_ISSUER",
        "URL of an OpenID Connect provider at which people may sign in; empty: nobody signs in. Register "
        "https://YOUR-HOST/sign-in/callback there as redirect URI.",
        "",
    )
    oidc_client_id: str = _setting("VOICE_OIDC_CLIENT_ID", "Client id that the provider gave you.", "")
    oidc_client_secret: str = _setting(
        "VOICE_OIDC_CLIENT_SECRET", "Its client secret; empty: a public client.", "", secret=True
    )
    default_agent: str = _setting("VOICE_DEFAULT_AGENT", "Id of the agent for callers who name none.", "")
    database_url: str = _setting("VOICE_DATABASE_URL", "SQLAlchemy URL; empty: SQLite in VOICE_HOME.", "", secret=True)

    livekit_url: str = _setting("LIVEKIT_URL", "A LiveKit server of yours; empty: ours is started.", "")
    livekit_public_url: str = _setting(
        "LIVEKIT_PUBLIC_URL",
        "Its address for browsers; empty: LIVEKIT_URL, or for ours the host by which they reached the page.",
        "",
    )
    livekit_api_key: str = _setting("LIVEKIT_API_KEY", "LiveKit API key.", "")
    livekit_api_secret: str = _setting("LIVEKIT_API_SECRET", "LiveKit API secret.", "", secret=True)
    livekit_agent_name: str = _setting("LIVEKIT_AGENT_NAME", "Name under which workers register.", "voice-agent")
    livekit_port: int = _setting("VOICE_LIVEKIT_PORT", "Port of our LiveKit server.", 7880, ge=1, le=65535)
    livekit_udp_port: int = _setting("VOICE_LIVEKIT_UDP_PORT", "Its media port over UDP.", 7882, ge=1, le=65535)

    adopt_rooms: str = _setting(
        "VOICE_ADOPT_ROOMS",
        "Serve rooms that others made with the same LiveKit key (own tokens, its API, dispatches to our agent name): "
        "`on`, `off`, or `auto`: where LiveKit is ours, which then lets a token make a room.",
        "auto",
        pattern="^(auto|on|off)$",
    )

    letta_base_url: str = _setting("LETTA_BASE_URL", "A Letta server of yours; empty: ours is started.", "")
    letta_api_key: str = _setting("LETTA_API_KEY", "Letta key or password.", "", secret=True)
    letta_recorder: str = _setting(
        "VOICE_LETTA_RECORDER",
        "Handle of our recorder model in a Letta of yours; empty: vllm/recorder. A Letta that does not list it gets "
        "finished turns in front of a note, which its own model answers.",
        "",
    )
    letta_model: str = _setting(
        "VOICE_LETTA_MODEL",
        "Handle of the model of agents that are made in Letta for new assistants; empty: the LLM of VOICE_LLM_MODEL.",
        "",
    )
    memory_refresh: float = _setting(
        "VOICE_MEMORY_REFRESH",
        "Seconds after which a change made in Letta is known in a running conversation.",
        30.0,
        gt=0,
    )
    outbox_limit: int = _setting(
        "VOICE_OUTBOX_LIMIT", "Turns that may wait for Letta; a warning comes at four fifths.", 50_000, ge=10
    )
    transcript_days: int = _setting(
        "VOICE_TRANSCRIPT_DAYS",
        "Days for which we keep what was said, who was there (sessions, rooms), and rotated logs. Facts stay.",
        365,
        ge=1,
    )
    letta_port: int = _setting("VOICE_LETTA_PORT", "Port of our Letta server.", 8283, ge=1, le=65535)
    postgres_port: int = _setting("VOICE_POSTGRES_PORT", "Port of Letta's embedded Postgres.", 54329, ge=1, le=65535)

    openai_api_key: str = _setting("OPENAI_API_KEY", "Key for OpenAI or a compatible server.", "", secret=True)
    openai_base_url: str = _setting(
        "OPENAI_BASE_URL", "OpenAI-style endpoint; empty with a key: OpenAI; without: ours.", ""
    )
    models_port: int = _setting("VOICE_MODELS_PORT", "Port of our model server.", 8290, ge=1, le=65535)
    model_hub: str = _setting(
        "VOICE_MODEL_HUB",
        "Address of the model hub, or of a mirror of it, for models that no package registry has; `off`: none.",
        "https://huggingface.co",
    )
    models_threads: int = _setting("VOICE_MODELS_THREADS", "Threads per model role.", 2, ge=1, le=64)
    llm: str = _setting(
        "VOICE_LLM",
        "`auto`: a language model server that runs on this machine (Ollama, llama-server, LM Studio) is used, if it "
        "does well in a trial; empty: only if VOICE_LLM_BASE_URL names it.",
        "",
        pattern="^(auto)?$",
    )
    llm_trial: bool = _setting(
        "VOICE_LLM_TRIAL",
        "Try out a local language model other than the default before it is used for the first time.",
        True,
    )
    llm_base_url: str = _setting("VOICE_LLM_BASE_URL", "Another OpenAI-style endpoint for the language model only.", "")
    llm_api_key: str = _setting("VOICE_LLM_API_KEY", "Its key.", "", secret=True)
    llm_model: str = _setting(
        "VOICE_LLM_MODEL", "Language model; empty: the endpoint's default of ours.", "", max_length=200
    )
    llm_provider: str = _setting(
        "VOICE_LLM_PROVIDER",
        "Livekit plugin that thinks; `openai` speaks to every OpenAI-style endpoint.",
        "openai",
        pattern=_PLUGIN,
        max_length=50,
    )
    language: str = _setting(
        "VOICE_LANGUAGE",
        "Language of assistants that have none of their own: `en`, `es`, `fr`; `auto`: the one a person speaks first.",
        "en",
    )
    stt_provider: str = _setting(
        "VOICE_STT_PROVIDER", "Livekit plugin that recognises speech.", "openai", pattern=_PLUGIN, max_length=50
    )
    stt_base_url: str = _setting("VOICE_STT_BASE_URL", "Another OpenAI-style endpoint for speech recognition only.", "")
    stt_model: str = _setting("VOICE_STT_MODEL", "Speech recognition model.", "", max_length=200)
    stt_language: str = _setting(
        "VOICE_STT_LANGUAGE",
        "Language to recognise; empty: VOICE_LANGUAGE.",
        "",
        pattern=_LANGUAGE,
        max_length=20,
    )
    tts_provider: str = _setting(
        "VOICE_TTS_PROVIDER", "Livekit plugin that speaks.", "openai", pattern=_PLUGIN, max_length=50
    )
    tts_base_url: str = _setting("VOICE_TTS_BASE_URL", "Another OpenAI-style endpoint for the voice only.", "")
    tts_model: str = _setting("VOICE_TTS_MODEL", "Voice model.", "", max_length=200)
    tts_voice: str = _setting("VOICE_TTS_VOICE", "Voice.", "", max_length=100)
    tts_speed: float = _setting("VOICE_TTS_SPEED", "How fast it speaks.", 1.0, ge=0.25, le=4.0)
    embedding_base_url: str = _setting(
        "VOICE_EMBEDDING_BASE_URL",
        "OpenAI-style endpoint for embeddings; empty: OpenAI where it is configured, else ours (another server at "
        "OPENAI_BASE_URL is asked only when VOICE_EMBEDDING_MODEL names a model of its).",
        "",
    )
    embedding_api_key: str = _setting("VOICE_EMBEDDING_API_KEY", "Key for VOICE_EMBEDDING_BASE_URL.", "", secret=True)
    embedding_model: str = _setting(
        "VOICE_EMBEDDING_MODEL", "Embedding model; one of ours is used on this machine whatever else is set.", ""
    )
    vad_provider: str = _setting(
        "VOICE_VAD_PROVIDER",
        "Livekit plugin that hears when somebody speaks.",
        "silero",
        pattern=_PLUGIN,
        max_length=50,
    )
    noise_suppression: str = _setting(
        "VOICE_NOISE_SUPPRESSION",
        "Noise suppression before speech is listened to: `none`, or `webrtc`, the suppressor that browsers have.",
        "none",
        pattern="^(none|webrtc)$",
    )

    turn_end: str = _setting(
        "VOICE_TURN_END",
        "What ends a turn of a person: `model` (0.4 s of silence if our model hears that the person has finished, "
        "else 1.2 s), or `silence` (0.4 s).",
        "model",
        pattern="^(model|silence)$",
    )

    workers: int = _setting(
        "VOICE_WORKERS", "Workers side by side: with two, a call is served again sooner when one dies.", 1, ge=1, le=8
    )
    standby: bool = _setting(
        "VOICE_STANDBY", "A second process of `serve` and of each worker waits to replace it (some 150 MB each).", True
    )
    worker_port: int = _setting(
        "VOICE_WORKER_PORT", "Health port of the worker; a second one has the next, and so on.", 8291, ge=0, le=65528
    )
    worker_capacity: int = _setting(
        "VOICE_WORKER_CAPACITY", "Conversations one worker takes at once; 0: two for each core.", 0, ge=0
    )
    worker_roles: str = _setting(
        "VOICE_WORKER_ROLES",
        "Roles this worker serves (owner, customer, general), comma-separated; empty: all. A room that no running "
        "worker serves says `no_worker_for_room`.",
        "",
    )
    worker_businesses: str = _setting(
        "VOICE_WORKER_BUSINESSES", "Business ids this worker serves, comma-separated; empty: all.", ""
    )
    worker_drain: float = _setting(
        "VOICE_WORKER_DRAIN", "Seconds a stopping worker lets conversations finish; 0: it leaves at once.", 0.0, ge=0
    )
    worker_prewarm: int = _setting("VOICE_WORKER_PREWARM", "Job processes kept ready.", 1, ge=0)

    clock_ahead: float = _setting(
        "VOICE_CLOCK_AHEAD",
        "Days by which the date of what is said runs ahead of this machine's clock, to try out next week.",
        0.0,
        gt=-10_000,
        lt=10_000,
    )
    idle_timeout: float = _setting("VOICE_IDLE_TIMEOUT", "Seconds an agent waits in an empty room.", 300.0, gt=0)
    session_validity: float = _setting(
        "VOICE_SESSION_VALIDITY", "Seconds a session can be resumed after the last human left.", 1800.0, gt=0
    )
    quiet_after: float = _setting("VOICE_QUIET_AFTER", "Seconds of silence after which memory may settle.", 60.0, gt=0)
    token_ttl: float = _setting(
        "VOICE_TOKEN_TTL", "Longest lifetime of a participant token, in seconds.", 86_400.0, ge=60
    )
    greeting: bool = _setting("VOICE_GREETING", "Speak a greeting when somebody arrives in an empty room.", True)
    log_spoken_text: bool = _setting(
        "VOICE_LOG_SPOKEN_TEXT", "Write what was said into the reconnect log (else lengths only).", False
    )

    @field_validator("home", "cache", mode="after")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return _place(path)

    @field_validator(
        "letta_base_url", "openai_base_url", "llm_base_url", "stt_base_url", "tts_base_url", "embedding_base_url"
    )
    @classmethod
    def _http(cls, url: str) -> str:
        return _usable(url, HTTP)

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, url: str) -> str:
        found = _usable(url, HTTP)
        if found.startswith("http://") and not is_loopback(urlsplit(found).hostname or ""):
            raise ValueError("it does not begin with https://")
        return found

    @field_validator("model_hub")
    @classmethod
    def _hub(cls, url: str) -> str:
        return url if url == _OFF else _usable(url, HTTP)

    @field_validator("livekit_url", "livekit_public_url")
    @classmethod
    def _livekit(cls, url: str) -> str:
        return _usable(url, LIVEKIT)

    @field_validator("database_url")
    @classmethod
    def _database(cls, url: str) -> str:
        if not url:
            return url
        from sqlalchemy.engine import make_url  # a slow import, needed only when this is set
        from sqlalchemy.exc import ArgumentError

        try:
            driver = make_url(url).drivername
        except (ArgumentError, ValueError):
            # Neither the URL nor the parser's message is repeated: it may hold a password.
            raise ValueError("it is not a URL: look at the host and the port") from None
        if driver not in _DRIVERS:
            raise ValueError(f"it does not begin with {' or '.join(f'{name}://' for name in _DRIVERS)}")
        return url

    @field_validator("language")
    @classmethod
    def _known_language(cls, tag: str) -> str:
        if mistake := mistaken_language(tag):
            raise ValueError(mistake)
        return primary(tag)

    @field_validator("worker_roles")
    @classmethod
    def _roles(cls, roles: str) -> str:
        for role in filter(None, map(str.strip, roles.split(","))):
            if role not in _ROLES:
                raise ValueError(f"{role!r} is no role: there are {', '.join(_ROLES)}")
        return roles

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: str) -> str:
        for origin in filter(None, map(str.strip, origins.split(","))):
            _usable(origin, HTTP)
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin} is more than scheme://name:port")
        return origins

    def as_environment(self) -> dict[str, str]:
        """The same settings for a child process, which then sees exactly what its parent saw."""
        return {name: str(value) for name, attribute in names().items() if (value := getattr(self, attribute)) != ""}

    @classmethod
    def secret_names(cls) -> frozenset[str]:
        return frozenset(
            str(field.alias)
            for field in cls.model_fields.values()
            if isinstance(field.json_schema_extra, dict) and field.json_schema_extra["secret"]
        )

    @property
    def page_url(self) -> str:
        """URL of the page for a browser on this machine."""
        return f"http://{in_url(reachable(self.host))}:{self.port}"

    @property
    def effective_model_hub(self) -> str:
        """Empty: none."""
        return "" if self.model_hub == _OFF else self.model_hub

    @property
    def effective_database_url(self) -> str:
        return self.database_url or f"sqlite+aiosqlite:///{self.home / 'voice.db'}"

    @property
    def reconnect_log(self) -> Path:
        return self.home / "logs" / "reconnect.jsonl"

    @property
    def effective_livekit_url(self) -> str:
        return self.livekit_url or f"ws://127.0.0.1:{self.livekit_port}"

    @property
    def adopts_rooms(self) -> bool:
        return self.adopt_rooms == "on" or (self.adopt_rooms == "auto" and not self.livekit_url)

    def livekit_url_for(self, host: str, *, secure: bool = False) -> str:
        """LiveKit's URL for a browser that reached the page by the name `host`."""
        if self.livekit_public_url or self.livekit_url:
            return self.livekit_public_url or self.livekit_url
        if not host or is_loopback(host) or is_loopback(self.host):
            return self.effective_livekit_url
        # Our LiveKit listens where the page does, and to that browser 127.0.0.1 is another machine.
        return f"{'wss' if secure else 'ws'}://{in_url(host)}:{self.livekit_port}"

    @property
    def effective_letta_url(self) -> str:
        return self.letta_base_url or f"http://127.0.0.1:{self.letta_port}"

    @property
    def effective_worker_capacity(self) -> int:
        # A silent conversation takes a sixth of a core; two that talk, with local TTS, take the rest of it.
        return self.worker_capacity or 2 * (os.cpu_count() or 1)

    @property
    def livekit_client(self) -> Path:
        """The browser's LiveKit client, downloaded by `voice-agent up`."""
        return self.cache / "vendor" / f"livekit-client-{LIVEKIT_CLIENT_VERSION}" / "livekit-client.esm.mjs"

    @property
    def models_url(self) -> str:
        return f"http://127.0.0.1:{self.models_port}/v1"


def _usable(url: str, schemes: tuple[str, ...]) -> str:
    if url and (wrong := mistake(url, schemes)):
        raise ValueError(f"it {wrong}")
    return url


@dataclass(frozen=True)
class Loaded:
    """Settings with the origin of each value, by environment name."""

    settings: Settings
    origin: Mapping[str, str]


def names() -> dict[str, str]:
    """Environment name → attribute."""
    return {str(field.alias): attribute for attribute, field in Settings.model_fields.items()}


def _for_another_server(name: str, values: Mapping[str, str]) -> bool:
    # Secrets generated for our own servers must never be sent to another server.
    url = {
        "LETTA_API_KEY": "LETTA_BASE_URL",
        "LIVEKIT_API_KEY": "LIVEKIT_URL",
        "LIVEKIT_API_SECRET": "LIVEKIT_URL",
    }.get(name)
    return url is not None and url in values


def load(environ: Mapping[str, str] | None = None, directory: Path | None = None) -> Loaded:
    environ = os.environ if environ is None else environ
    known = names()
    values: dict[str, str] = {}
    origin: dict[str, str] = {}

    def take(found: Mapping[str, str], source: Callable[[str], str]) -> None:
        for name in known:
            value = found.get(name, "")
            if value != "" and name not in values:
                values[name] = value
                origin[name] = source(name)

    environ = {name: value for name, value in environ.items() if not _is_of_kubernetes(name, value)}
    _refuse_unknown(environ, known, "the environment")
    take(environ, lambda name: "environment")
    env_file = (directory or Path.cwd()) / ENV_FILE
    if env_file.is_file():
        written, lines = _read(env_file)
        _refuse_unknown(written, known, str(env_file))
        take(written, lambda name: f"{ENV_FILE} line {lines[name]}")
    stack_file = _place(values.get("VOICE_HOME") or _default_home()) / STACK_FILE
    if stack_file.is_file():
        written, _ = _read(stack_file)
        ours = {name: value for name, value in written.items() if not _for_another_server(name, values)}
        take(ours, lambda name: STACK_FILE)
    return Loaded(_validated(values, origin), {name: origin.get(name, "default") for name in known})


def _validated(values: Mapping[str, str], origin: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise Permanent(
            Code.SETTING_INVALID,
            f"{name} (from {origin.get(name, 'default')}) is not usable: {first['msg'].removeprefix('Value error, ')}.",
            f"Correct {name} or remove it to use the default.",
        ) from error


def _read(file: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Values and line numbers by name. A line without a setting is an error: guessing hides typing mistakes."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(
            Code.SETTINGS_FILE_MALFORMED, f"{file} cannot be read: {error}.", "It must be UTF-8 text that you may read."
        ) from error
    lines: dict[str, int] = {}
    for binding in parse_stream(io.StringIO(text)):
        # The parser counts blank lines before a binding as part of it.
        string = binding.original.string
        line = binding.original.line + string[: len(string) - len(string.lstrip())].count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            raise Permanent(
                Code.SETTINGS_FILE_MALFORMED,
                f"{file}, line {line}: not a setting: {string.strip().splitlines()[0][:40]!r}.",
                "Write NAME=value, or start the line with # to make it a comment.",
            )
        if binding.key is not None:
            lines[binding.key] = line
    return {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text)).items()}, lines


def _is_of_kubernetes(name: str, value: str) -> bool:
    if not name.startswith("VOICE_"):
        return False
    return bool(_OF_KUBERNETES.search(name)) or (name.endswith("_PORT") and bool(_SERVICE_ADDRESS.fullmatch(value)))


def _refuse_unknown(found: Iterable[str], known: Iterable[str], where: str) -> None:
    for name in found:
        if name.startswith("VOICE_") and not name.startswith("VOICE_TEST_") and name not in known:
            nearest = difflib.get_close_matches(name, known, 1, cutoff=0.0)[0]
            raise Permanent(
                Code.SETTING_UNKNOWN,
                f"{name} (in {where}) is not a setting.",
                f"Did you mean {nearest}? `voice-agent settings` lists all of them.",
            )
