"""Restart of every process of the system: a returning person is still known."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.conversation.people import told_of_a_parrot
from tests.support.caller import control_api
from tests.support.stack import Stack


@pytest.mark.usefixtures("media_engine")
async def test_a_fact_told_before_is_known_after(stack: Stack) -> None:
    async with control_api(stack) as api:
        caller = await told_of_a_parrot(stack, api)
        restarted = await asyncio.to_thread(stack.command, "restart")
        assert restarted.returncode == 0, restarted.stdout + restarted.stderr
        back = await api.come_back(caller)
        await back.greeting()
        assert "Pip" in await back.ask("What is my parrot called?")
        await back.leave()
