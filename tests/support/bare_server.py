"""`python -m tests.support.bare_server PORT HOME`: the web application with no backends, as a server of its own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn

from tests.support.bare_web import bare_app, web_settings
from voice_agent.inbound import Server


async def serve(port: int, home: Path) -> None:
    async with bare_app(web_settings(home, port=port)) as app:
        await Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off")).serve()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
