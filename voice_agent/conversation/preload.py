"""Modules that job processes share: the forkserver imports them once."""

# ruff: noqa: E402
from __future__ import annotations

import gc

gc.disable()  # nothing here is garbage, and repeated collections are a fifth of the time of these imports

import aiosqlite  # noqa: F401  SQLAlchemy imports it with the first statement

import voice_agent.conversation.job  # noqa: F401
from voice_agent.conversation.livekit_private import load_job_modules
from voice_agent.outbound import tls

load_job_modules()
tls()

gc.collect()
gc.freeze()  # pages that the collector never visits are never copied into a job's own memory
gc.enable()
