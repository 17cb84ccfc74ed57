"""`voice-agent memory show | search | pending | resync`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from voice_agent.memory.letta import LettaClient
    from voice_agent.memory.outbox import Outbox

T = TypeVar("T")
Agent = Annotated[str, typer.Argument(help="Letta agent id.")]


def register(app: typer.Typer) -> None:
    memory = typer.Typer(help="What the assistants remember, and what is still on its way into Letta.")
    app.add_typer(memory, name="memory")
    memory.command()(show)
    memory.command()(search)
    memory.command()(pending)
    memory.command()(resync)


def show(agent: Agent) -> None:
    """Print every memory block of a Letta agent."""
    import asyncio

    snapshot = asyncio.run(_with_letta(lambda letta: letta.load_blocks(agent)))
    typer.echo(f"{snapshot.persona_name} ({snapshot.letta_agent_id}), {len(snapshot.blocks)} blocks")
    for block in snapshot.blocks:
        typer.echo(f"\n[{block.label}] {len(block.value)} characters\n{block.value}")


def search(agent: Agent, query: Annotated[str, typer.Argument(help="What to look for.")]) -> None:
    """Look something up in an agent's archival memory."""
    import asyncio

    found = asyncio.run(_with_letta(lambda letta: letta.search(agent, query)))
    typer.echo("\n\n".join(found) if found else "Nothing was found.")


def pending(agent: Annotated[str, typer.Argument(help="Letta agent id; none: all agents, in numbers.")] = "") -> None:
    """What Letta is not known to hold. Parked turns need a person; `resync` tries them again."""
    import asyncio

    if not agent:
        for state, count in sorted(asyncio.run(_with_outbox(lambda outbox: outbox.counts())).items()):
            typer.echo(f"{state:<8} {count}")
        return
    turns = asyncio.run(_with_outbox(lambda outbox: outbox.waiting(agent)))
    for turn in turns:
        typer.echo(f"{turn.state:<8} {turn.turn_id}  {turn.user_text[:60]!r} {turn.note}")
    if not turns:
        typer.echo("Nothing: Letta holds everything that was said.")


def resync(agent: Agent) -> None:
    """Try parked turns again. Letta is asked first what it holds, so nothing is doubled."""
    import asyncio

    count = asyncio.run(_with_outbox(lambda outbox: outbox.unpark(agent)))
    typer.echo(f"{count} parked turns are tried again by the running system.")


async def _with_letta(ask: Callable[[LettaClient], Awaitable[T]]) -> T:
    from voice_agent import settings
    from voice_agent.memory.letta import LettaClient

    letta = LettaClient(settings.load().settings)
    try:
        return await ask(letta)
    finally:
        await letta.close()


async def _with_outbox(ask: Callable[[Outbox], Awaitable[T]]) -> T:
    from voice_agent import settings
    from voice_agent.memory.outbox import Outbox
    from voice_agent.storage.database import Database

    database = Database(settings.load().settings.effective_database_url)
    try:
        return await ask(Outbox(database))
    finally:
        await database.close()
