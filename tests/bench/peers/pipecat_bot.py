"""Plain assistant of Pipecat over its LiveKit transport, as its own template has it: Silero, smart-turn, one pipeline.

Runs in an environment of its own (pipecat_bot.txt); what it needs is in the environment (`systems.py`). Like Pipecat's
runner it is one process with everything imported, which starts a bot at each request: a line {"room", "token"} on
stdin. Prints `ready`, and `joined ROOM` when a bot is in its room with its track published.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.transports.livekit.transport import LiveKitParams, LiveKitTransport
from pipecat.turns.user_turn_strategies import default_user_turn_stop_strategies
from pipecat.workers.runner import WorkerRunner

URL = os.environ["PEER_MODELS_URL"]
KEY = "not-needed"


def pipeline(transport: LiveKitTransport) -> Pipeline:
    user, assistant = LLMContextAggregatorPair(
        LLMContext(), user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    said = OpenAILLMService.Settings(model=os.environ["PEER_LLM"], system_instruction=os.environ["PEER_INSTRUCTIONS"])
    voice = OpenAITTSService.Settings(model=os.environ["PEER_TTS"], voice="alloy")
    return Pipeline(
        [
            transport.input(),
            OpenAISTTService(
                settings=OpenAISTTService.Settings(model=os.environ["PEER_STT"]), base_url=URL, api_key=KEY
            ),
            user,
            OpenAILLMService(settings=said, base_url=URL, api_key=KEY),
            OpenAITTSService(settings=voice, base_url=URL, api_key=KEY),
            transport.output(),
            assistant,
        ]
    )


async def bot(room: str, token: str) -> None:
    params = LiveKitParams(audio_in_enabled=True, audio_out_enabled=True)
    transport = LiveKitTransport(os.environ["LIVEKIT_URL"], token, room, params=params)
    worker = PipelineWorker(pipeline(transport), params=PipelineParams(enable_metrics=True))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)

    @transport.event_handler("on_connected")
    async def on_connected(*_: Any) -> None:
        print(f"joined {room}", flush=True)

    @transport.event_handler("on_first_participant_joined")
    async def on_first_participant_joined(*_: Any) -> None:
        await worker.queue_frames([TTSSpeakFrame(os.environ["PEER_GREETING"])])

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(*_: Any) -> None:
        await runner.cancel()

    await runner.run()


async def main() -> None:
    default_user_turn_stop_strategies()  # loads smart-turn's libraries before anybody comes
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("ready", flush=True)
    async with asyncio.TaskGroup() as bots:
        async for line in lines:
            asked = json.loads(line)
            bots.create_task(bot(asked["room"], asked["token"]), name=f"bot:{asked['room']}")


if __name__ == "__main__":
    asyncio.run(main())
