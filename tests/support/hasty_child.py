"""Child process that announces keep-alive and closes each connection when it is used again: the race of a real server
that closes a connection after five idle seconds at the moment of its next use.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from voice_agent.models.child_io import announce_ready, exit_with_parent, orders


async def _answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\n{}")
    await writer.drain()
    await reader.read(1)
    writer.close()


async def _serve(socket: Path) -> None:
    server = await asyncio.start_unix_server(_answer_once, socket)
    announce_ready()
    await server.serve_forever()


if __name__ == "__main__":
    order = orders()
    exit_with_parent()
    asyncio.run(_serve(Path(order["socket"])))
