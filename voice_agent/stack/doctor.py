"""Checks of `voice-agent doctor`: one line per check, with its remedy."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from voice_agent import clock
from voice_agent.contracts import LEASE_RENEWAL
from voice_agent.downloads import Artifact, verify
from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.memory.facts.overview import MemoryOverview, Unlearned
from voice_agent.memory.recall.embedder import Embedder
from voice_agent.models.processes import plans
from voice_agent.providers import endpoints
from voice_agent.providers.checks import check_all
from voice_agent.rooms.retention import Retention
from voice_agent.rooms.workers import WorkerRegistry
from voice_agent.settings import Settings
from voice_agent.stack import livekit, llm_servers, readiness, services, state
from voice_agent.stack.memory_service import embedder_of
from voice_agent.stack.ports import require_free
from voice_agent.stack.processes import holder, listener, marked
from voice_agent.stack.provision import LIVEKIT_CLIENT
from voice_agent.storage.database import Database

MAX_SKEW: Final = 60.0
MIN_FREE: Final = 2_000_000_000
NOT_LEARNED_FOR: Final = timedelta(minutes=5)
"""Learning takes seconds while no conversation runs; during one it waits."""
UP: Final = "Start it with `voice-agent up`, then look at `voice-agent status` and its log."

Check = Callable[[Settings], Awaitable[str]]
"""Returns its finding, or raises the error with its remedy."""


@dataclass(frozen=True)
class Finding:
    check: str
    ok: bool
    message: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine(settings: Settings) -> list[Finding]:
    running = state.load(settings.home)
    if running:
        settings = state.as_running(settings, running)

    async def all_checks() -> list[Finding]:
        return list(await asyncio.gather(*(_examined(name, check, settings) for name, check in CHECKS.items())))

    return asyncio.run(all_checks())


async def _examined(name: str, check: Check, settings: Settings) -> Finding:
    try:
        return Finding(name, True, await check(settings))
    except VoiceAgentError as error:
        return Finding(name, False, error.message, error.remedy)


async def _disk(settings: Settings) -> str:
    for folder in (settings.home, settings.cache):
        exists = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(exists).free
        if free < MIN_FREE:
            raise Temporary(
                Code.DISK_FULL, f"{free / 1e9:.1f} GB are free for {folder}.", "Free some space, 2 GB at least."
            )
    return "more than 2 GB are free for VOICE_HOME and VOICE_CACHE"


async def _ports(settings: Settings) -> str:
    table = services.table(settings)
    running = state.load(settings.home)
    if running is None:
        require_free(table)
    else:
        ours = {process.pid for process in marked(running.run)}
        for port in (port for service in table for port in service.ports):
            if listener(port.number, udp=port.udp) not in ours:
                who = holder(port.number, udp=port.udp)
                raise Permanent(
                    Code.PORT_TAKEN,
                    f"Port {port.number} ({port.setting}) is not held by us but by {who}.",
                    "Stop that program, then `voice-agent restart`.",
                )
    numbers = ", ".join(str(port.number) for service in table for port in service.ports)
    return f"{'ours' if running else 'free'}: {numbers}"


async def _livekit_server(settings: Settings) -> str:
    if settings.livekit_url:
        return f"not needed, yours is used: {settings.livekit_url}"
    program = livekit.binary(settings)
    found = livekit.version_of(program)
    if found != livekit.VERSION:
        raise Permanent(
            Code.BUILD_FAILED, f"{program} is {found}, not {livekit.VERSION}.", "`voice-agent up` builds it again."
        )
    return f"{program} is {found}"


async def _livekit(settings: Settings) -> str:
    return await _answer(readiness.as_http(settings.effective_livekit_url), Code.LIVEKIT_UNAVAILABLE)


async def _letta(settings: Settings) -> str:
    base = settings.effective_letta_url.rstrip("/")
    await _answer(f"{base}/v1/health/", Code.LETTA_UNAVAILABLE)
    headers = {"Authorization": f"Bearer {settings.letta_api_key}"}
    answer = await _get(f"{base}/v1/agents/?limit=100", Code.LETTA_UNAVAILABLE, headers)
    if answer.status_code in (401, 403):
        raise Permanent(Code.LETTA_REFUSED, f"{base} refuses our key.", "Set LETTA_API_KEY to its password or key.")
    agents = answer.json() if answer.is_success else []
    if not agents:
        raise Permanent(Code.AGENT_NOT_FOUND, f"{base} has no agent to talk to.", "Create one in Letta.")
    return f"{base} answers and has {'100 agents or more' if len(agents) == 100 else f'{len(agents)} agents'}"


async def _models(settings: Settings) -> str:
    return await _answer(settings.models_url.removesuffix("/v1") + "/health", Code.MODEL_UNREACHABLE)


async def _providers(settings: Settings) -> str:
    checks = await check_all(settings)
    for check in checks:
        if check.error:
            raise check.error
    return "; ".join(map(str, checks))


async def _language_model(settings: Settings) -> str:
    used = endpoints.llm(settings)
    if not used.local:
        return f"{used.model or 'its default'} of {used.base_url or used.provider} is used"
    others = "; ".join(f"{server}: VOICE_LLM=auto tries it out and uses it" for server in await llm_servers.find())
    return f"{used.model} of our model server is used{f'; {others}' if others else ''}"


async def _model_files(settings: Settings) -> str:
    files = [file for plan in plans(settings) for model in plan.models for file in model.files.values()]
    return await _verified(settings, files, "Run `voice-agent models fetch`.")


async def _page_client(settings: Settings) -> str:
    return await _verified(settings, [LIVEKIT_CLIENT], "`voice-agent up` fetches it again.")


async def _verified(settings: Settings, files: list[Artifact], remedy: str) -> str:
    wrong = [file.name for file in files if not await asyncio.to_thread(verify, file, settings.cache)]
    if wrong:
        raise Permanent(Code.MODEL_CORRUPT, f"Missing or damaged: {', '.join(wrong)}.", remedy)
    return f"{len(files)} files, every byte as it should be"


async def _serve(settings: Settings) -> str:
    return await _answer(f"{settings.page_url}/health", Code.NOT_RUNNING)


async def _database(settings: Settings) -> str:
    database = Database(settings.effective_database_url)
    try:
        await database.ping()
    finally:
        await database.close()
    return f"{database.url.render_as_string(hide_password=True)} answers"


async def _worker(settings: Settings) -> str:
    """A worker that is registered with LiveKit moves its beat; a row alone may belong to a worker that is gone."""
    database = Database(settings.effective_database_url)
    worker_registry = WorkerRegistry(database)
    try:
        first = {row.name: row.beat for row in await worker_registry.all()}
        give_up = time.monotonic() + 2 * LEASE_RENEWAL
        while time.monotonic() < give_up:
            await asyncio.sleep(LEASE_RENEWAL / 4)
            alive = [row for row in await worker_registry.all() if row.beat != first.get(row.name, row.beat)]
            if alive:
                return ", ".join(f"{row.name}: {row.active} of {row.capacity} conversations" for row in alive)
    finally:
        await database.close()
    raise Temporary(Code.NO_WORKER, "No worker is registered with LiveKit.", UP)


async def _memory(settings: Settings) -> str:
    """Turns must not wait long to be learned. Without embeddings facts are found by their words only."""
    database, embedder = Database(settings.effective_database_url), embedder_of(settings)
    try:
        overview = MemoryOverview(database)
        late = await overview.overdue(clock.now() - NOT_LEARNED_FOR)
        facts = await overview.total()
        broken = await _embedding_trouble(embedder)
    finally:
        await embedder.aclose()
        await database.close()
    if late:
        raise Temporary(
            Code.MEMORY_BEHIND,
            f"Not remembered yet: {len(late)} turns; {_why(late)}",
            "See 'voice-agent memory show AGENT'; 'voice-agent memory rebuild AGENT' tries again.",
        )
    if broken:
        raise Temporary(broken.code, f"{broken.message} Facts are found by their words meanwhile.", broken.remedy)
    return f"{facts} facts are known, nothing is left to be learned for long, and embeddings are made"


async def _retention(settings: Settings) -> str:
    days = f"{settings.transcript_days} days (VOICE_TRANSCRIPT_DAYS)"
    database = Database(settings.effective_database_url)
    try:
        old = await Retention(settings, database).overdue()
    finally:
        await database.close()
    if old:
        what = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in old.items())
        raise Temporary(
            Code.RETENTION_BEHIND,
            f"Older than {days}: {what}.",
            "serve or a worker deletes it once an hour; see with `voice-agent status` whether they run.",
        )
    return f"nothing that is to be deleted is older than {days}"


async def _embedding_trouble(embedder: Embedder) -> VoiceAgentError | None:
    try:
        await embedder.embed(["Is anybody there?"])
    except VoiceAgentError as error:
        return error
    return None


def _why(late: Sequence[Unlearned]) -> str:
    notes = [turn.note for turn in late if turn.note]
    return notes[-1] if notes else f"the oldest waits since {late[0].said_at:%Y-%m-%d %H:%M} UTC."


async def _clock(settings: Settings) -> str:
    skews = []
    servers = (readiness.as_http(settings.effective_livekit_url), f"{settings.effective_letta_url}/v1/health/")
    for url in servers:
        answer = await _get(url, Code.NOT_READY)
        if date := answer.headers.get("Date"):
            skews.append(abs(parsedate_to_datetime(date).timestamp() - time.time()))
    worst = max(skews, default=0.0)
    if worst > MAX_SKEW:
        raise Permanent(
            Code.NOT_READY, f"The clock here and that of a server differ by {worst:.0f} s.", "Set the clocks (NTP)."
        )
    return f"differs by less than {max(2, round(worst) + 1)} s from LiveKit's and Letta's"


async def _answer(url: str, code: Code) -> str:
    answer = await _get(url, code)
    if not answer.is_success:
        raise Temporary(code, f"{url} answered {answer.status_code}: {answer.text[:200]}", UP)
    return f"{url} answers"


async def _get(url: str, code: Code, headers: dict[str, str] | None = None) -> httpx.Response:
    try:
        async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
            return await client.get(url, headers=headers)
    except httpx.HTTPError as error:
        raise Temporary(code, f"{url} does not answer ({type(error).__name__}).", UP) from error


CHECKS: Final[dict[str, Check]] = {
    "disk": _disk,
    "ports": _ports,
    "livekit-server": _livekit_server,
    "livekit": _livekit,
    "letta": _letta,
    "models": _models,
    "language model": _language_model,
    "model files": _model_files,
    "providers": _providers,
    "page client": _page_client,
    "serve": _serve,
    "database": _database,
    "worker": _worker,
    "memory": _memory,
    "retention": _retention,
    "clock": _clock,
}
