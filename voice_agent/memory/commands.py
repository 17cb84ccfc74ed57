"""`voice-agent memory show | pending`."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    memory = typer.Typer(help="What the assistants remember, and what is still on its way into Letta.")
    app.add_typer(memory, name="memory")

    @memory.command()
    def show(agent: str = typer.Argument(help="Letta agent id.")) -> None:
        """Print every memory block of a Letta agent."""
        import asyncio

        from voice_agent import settings
        from voice_agent.memory.letta import LettaClient

        async def run() -> None:
            letta = LettaClient(settings.load().settings)
            try:
                snapshot = await letta.load_blocks(agent)
            finally:
                await letta.close()
            typer.echo(f"{snapshot.persona_name} ({snapshot.letta_agent_id}), {len(snapshot.blocks)} blocks")
            for block in snapshot.blocks:
                typer.echo(f"\n[{block.label}] {len(block.value)} characters\n{block.value}")

        asyncio.run(run())

    @memory.command()
    def pending() -> None:
        """Count turns by where they are; parked ones need a person."""
        import asyncio

        from voice_agent import settings
        from voice_agent.memory.outbox import Outbox
        from voice_agent.storage.database import Database

        async def run() -> None:
            database = Database(settings.load().settings.effective_database_url)
            try:
                counts = await Outbox(database).counts()
            finally:
                await database.close()
            for state, count in sorted(counts.items()):
                typer.echo(f"{state:<8} {count}")

        asyncio.run(run())
