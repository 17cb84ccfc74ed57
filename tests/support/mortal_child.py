"""A child process that takes a request and dies of it, as often as its orders say; afterwards it answers."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from voice_agent.models.child_io import announce_ready, exit_with_parent, orders


async def _serve(socket: Path, deaths: int) -> None:
    graves = socket.with_suffix(".graves")
    died = len(graves.read_bytes()) if graves.exists() else 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if died < deaths:
            graves.write_bytes(b"x" * (died + 1))
            os._exit(1)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    socket.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(answer, socket)
    announce_ready()
    await server.serve_forever()


if __name__ == "__main__":
    order = orders()
    exit_with_parent()
    asyncio.run(_serve(Path(order["socket"]), order["deaths"]))
