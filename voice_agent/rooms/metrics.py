"""Prometheus metrics of the room-health monitor."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

ROOMS = Gauge("voice_agent_rooms", "Open rooms.")
HUMANS = Gauge("voice_agent_humans", "Humans in rooms.")
AGENTS = Gauge("voice_agent_agents", "Agents in rooms.")
DISPATCHES = Counter("voice_agent_dispatches", "Dispatches by outcome.", ["outcome"])
REMOVED = Counter("voice_agent_agents_removed", "Agents removed from rooms.", ["why"])
RECYCLES = Counter("voice_agent_recycles", "Agents recycled because they were present but of no use.", ["why"])
FENCES = Counter("voice_agent_fences", "Leases taken from holders that fell silent.")
WITHOUT_AGENT = Histogram(
    "voice_agent_without_agent_seconds",
    "Time from a human being there without a ready agent to a ready agent.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 15, 30, 60, 120),
)
