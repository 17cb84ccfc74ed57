"""What job processes share: the server they are forked from imports it once."""

# ruff: noqa: E402
from __future__ import annotations

import gc

gc.disable()  # nothing here is garbage, and looking through it time and again is a fifth of the time it takes

import aiosqlite  # noqa: F401  SQLAlchemy imports it with the first statement
import livekit.agents.ipc._preload  # noqa: F401  what each job process would load by itself, a second each time

import voice_agent.conversation.job  # noqa: F401
from voice_agent.outbound import tls

tls()

gc.collect()
gc.freeze()  # what the collector never visits is never copied into a job's own memory
gc.enable()
