"""Modules that job processes share: the forkserver imports them once."""

# ruff: noqa: E402
from __future__ import annotations

import gc

gc.disable()  # nothing here is garbage, and repeated collections are a fifth of the time of these imports

# What a job would import while somebody waits for it.
import aiosqlite  # noqa: F401
import anyio._backends._asyncio  # noqa: F401
import httpcore  # noqa: F401
import numpy.fft  # noqa: F401
import openai.resources.audio  # noqa: F401

import voice_agent.conversation.job  # noqa: F401
from voice_agent.conversation.livekit_private import load_job_modules
from voice_agent.memory.letta_connection import load_models
from voice_agent.outbound import tls

load_job_modules()
load_models()
tls()

gc.collect()
gc.freeze()  # pages that the collector never visits are never copied into a job's own memory
gc.enable()
