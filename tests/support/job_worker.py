"""Worker with real jobs (conversation/job.py), many in one process: cheap enough for one job per fault."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from livekit import rtc
from livekit.agents import JobContext, JobExecutorType, JobProcess, vad
from livekit.agents.job import JobAcceptArguments, RunningJobInfo, _JobContextVar
from livekit.protocol import agent as wire

from tests.support.letta_directory import LettaDirectoryServer, running_letta_directory
from tests.support.light_worker import LightWorker
from tests.support.scripted_llm import MODEL, Failure, Rule, ScriptedLLM
from tests.support.wounds import CURRENT, Wounded
from voice_agent.conversation.job import entrypoint
from voice_agent.settings import Settings

_ENDS_WITHIN: Final = 20.0


class RealJob:
    """Everything that livekit's job process does around an entrypoint, without the process."""

    def __init__(self, assignment: wire.JobAssignment, url: str, detection: vad.VAD) -> None:
        self.room = rtc.Room()
        self.task: asyncio.Task[None] | None = None
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        process = JobProcess(executor_type=JobExecutorType.THREAD, user_arguments=None, http_proxy=None)
        process.userdata["vad"] = detection
        job = assignment.job
        accepted = JobAcceptArguments(name="", identity=f"agent-{job.id}", metadata="")
        self._context = JobContext(
            proc=process,
            info=RunningJobInfo(accepted, job, url, assignment.token, "", fake_job=False),
            room=self.room,
            on_connect=lambda: None,
            on_shutdown=self.end,
            inference_executor=None,  # type: ignore[arg-type]
        )
        self.room.on("disconnected", lambda *_: self.end("room disconnected"))

    def end(self, reason: str = "") -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    async def run(self) -> None:
        _JobContextVar.set(self._context)
        try:
            await entrypoint(self._context)
            reason = await self._ended
            if (session := self._context._primary_agent_session) is not None:
                await session.aclose()
            await self.room.disconnect()
            ends = (callback(reason) for callback in self._context._shutdown_callbacks)
            await asyncio.gather(*ends, return_exceptions=True)
        finally:
            await self.room.disconnect()
            await self._context._on_cleanup()


class JobWorker(LightWorker):
    """Light worker whose jobs are real ones; they read their settings from the environment, as in a job process."""

    def __init__(self, settings: Settings, detection: vad.VAD, *, capacity: int) -> None:
        super().__init__(settings, capacity=capacity)
        self.wounded: dict[str, Wounded] = {}
        """By agent id."""
        self.jobs: dict[str, list[RealJob]] = {}
        """By agent id, the newest last."""
        self._detection = detection
        self._at_work: set[RealJob] = set()

    async def __aexit__(self, *error: object) -> None:
        for job in self._at_work:
            job.end("the test is over")
        if self._jobs:
            await asyncio.wait(self._jobs.values(), timeout=_ENDS_WITHIN)
        await super().__aexit__(*error)

    async def end_jobs_of(self, agent_id: str) -> None:
        for job in (ending := self._at_work & set(self.jobs.get(agent_id, ()))):
            job.end("the visit is over")
        if ending:
            await asyncio.wait([job.task for job in ending if job.task], timeout=_ENDS_WITHIN)

    def _active(self) -> int | None:
        return len(self._at_work) if self.registered.is_set() else None

    def _begin(self, ws: aiohttp.ClientWebSocketResponse, assignment: wire.JobAssignment) -> None:
        agent_id = self._offered[assignment.job.id].agent.agent_id
        job = RealJob(assignment, assignment.url or self._settings.effective_livekit_url, self._detection)
        self.jobs.setdefault(agent_id, []).append(job)
        self._at_work.add(job)
        with _in_context(self.wounded.get(agent_id)):
            task = asyncio.get_running_loop().create_task(job.run(), name=f"job of {agent_id}")
        self._jobs[assignment.job.id] = job.task = task
        task.add_done_callback(lambda _: self._at_work.discard(job))


@contextmanager
def world_of_jobs(
    livekit: Settings, home: Path, agents: Collection[str], rules: Collection[Rule], *failures: Failure
) -> Iterator[tuple[Settings, LettaDirectoryServer]]:
    """The backends of real jobs besides LiveKit: scripted models, and a Letta that lists `agents`."""
    with ScriptedLLM() as llm:
        llm.script(*rules, failures=failures)
        models = {"llm_base_url": llm.base_url, "tts_base_url": llm.base_url, "stt_base_url": llm.base_url}
        pace = {"quiet_after": 1.0, "sessions_per_minute": 10_000}
        settings = livekit.model_copy(update={"home": home, "llm_model": MODEL, **models, **pace})
        with pytest.MonkeyPatch.context() as patch, running_letta_directory(settings.letta_port) as letta:
            for agent in agents:
                letta.add(agent, "Ada")
            for name, value in settings.as_environment().items():
                patch.setenv(name, value)  # jobs read it
            yield settings, letta
            gc.collect()  # frees native rooms, which would call into the interpreter while it ends


@contextmanager
def _in_context(wounded: Wounded | None) -> Iterator[None]:
    token = CURRENT.set(wounded)
    try:
        yield
    finally:
        CURRENT.reset(token)
