"""Commands `voice-agent memory show | search | forget | rebuild | pending | resync`.

In `stack` and not in `memory`, because the registry resolves the name of an assistant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from voice_agent.stack.memory_service import MemoryService

T = TypeVar("T")
Agent = Annotated[str, typer.Argument(help="Name or id of an assistant.", metavar="AGENT")]
Person = Annotated[str, typer.Option(help="Person id: whose memory (see docs/people.md).")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before forgetting.")]

OWNER = "owner"


def register(app: typer.Typer) -> None:
    memory = typer.Typer(help="What the assistants remember, and what is still on its way into Letta.")
    app.add_typer(memory, name="memory")
    for command in (show, search, forget, rebuild, pending, resync):
        memory.command()(command)


def show(agent: Agent, person: Person = OWNER) -> None:
    """Print the memory blocks, the facts with date and source, and what is not remembered yet."""
    typer.echo("\n".join(_asked(lambda memory: memory.show(agent, person))))


def search(
    agent: Agent,
    query: Annotated[str, typer.Argument(help="A question, or what to look for.")],
    person: Person = OWNER,
) -> None:
    """Print what a question would bring up, and what Letta's archive has on it."""
    typer.echo("\n".join(_asked(lambda memory: memory.search(agent, person, query))))


def forget(
    agent: Agent,
    what: Annotated[str, typer.Argument(help="Id of a fact, or words that it is found by.")],
    person: Person = OWNER,
    yes: Yes = False,
) -> None:
    """Forget facts, and the turns that told them."""
    found = _asked(lambda memory: memory.find(agent, person, what))
    if not found:
        typer.echo("Nothing like that is remembered.")
        raise typer.Exit(1)
    for fact in found:
        typer.echo(f"{fact.said_at:%Y-%m-%d}  {fact.text}  ({fact.fact_id})")
    if not yes:
        typer.confirm("Forget this?" if len(found) == 1 else f"Forget these {len(found)}?", abort=True)
    count = _asked(lambda memory: memory.forget(agent, person, [fact.fact_id for fact in found]))
    typer.echo(f"Forgotten: {count}.")


def rebuild(agent: Agent, person: Person = OWNER) -> None:
    """Learn again from all turns that are kept. What was forgotten stays forgotten."""
    count = _asked(lambda memory: memory.rebuild(agent, person))
    typer.echo(f"The running system learns again from {count} turns.")


def pending(
    agent: Annotated[str, typer.Argument(help="Name or id of an assistant; none: all, in numbers.")] = "",
) -> None:
    """What Letta is not known to hold. Parked turns need a person; `resync` tries them again."""
    typer.echo("\n".join(_asked(lambda memory: memory.pending(agent))))


def resync(agent: Agent) -> None:
    """Try parked turns again. Letta is asked first what it holds, so nothing is doubled."""
    count = _asked(lambda memory: memory.resync(agent))
    typer.echo(f"{count} parked turns are tried again by the running system.")


def _asked(ask: Callable[[MemoryService], Awaitable[T]]) -> T:
    from voice_agent import settings
    from voice_agent.stack import state
    from voice_agent.stack.memory_service import opened

    found = settings.load().settings
    running = state.load(found.home)

    async def act() -> T:
        async with opened(state.as_running(found, running) if running else found) as memory:
            return await ask(memory)

    return asyncio.run(act())
