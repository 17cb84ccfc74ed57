"""Plain assistant of livekit-agents, as its starter has it: Silero, the default turn detection, one session in a room.

Runs in an environment of its own (livekit_starter.txt) as `livekit_starter.py start`; what it needs is in the
environment (`systems.py`). Prints `ready` when livekit-server knows it.
"""

from __future__ import annotations

import os

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, JobProcess, cli
from livekit.plugins import openai, silero

URL = os.environ["PEER_MODELS_URL"]
KEY = "not-needed"

# A busy machine refuses no job, and no port is taken that another program may want. All else is the default.
server = AgentServer(load_fnc=lambda: 0.0, host="127.0.0.1", port=0)


def prewarm(process: JobProcess) -> None:
    process.userdata["vad"] = silero.VAD.load()


server.setup_fnc = prewarm


@server.rtc_session(agent_name=os.environ["PEER_NAME"])
async def entrypoint(context: JobContext) -> None:
    session = AgentSession[None](
        vad=context.proc.userdata["vad"],
        stt=openai.STT(model=os.environ["PEER_STT"], language="en", use_realtime=False, base_url=URL, api_key=KEY),
        llm=openai.LLM(model=os.environ["PEER_LLM"], base_url=URL, api_key=KEY),
        tts=openai.TTS(model=os.environ["PEER_TTS"], voice="alloy", response_format="pcm", base_url=URL, api_key=KEY),
    )
    await session.start(agent=Agent(instructions=os.environ["PEER_INSTRUCTIONS"]), room=context.room)
    await context.connect()
    await session.say(os.environ["PEER_GREETING"])


@server.on("worker_registered")
def registered(*_: object) -> None:
    print("ready", flush=True)


if __name__ == "__main__":
    cli.run_app(server)
