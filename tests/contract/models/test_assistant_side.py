"""Model server as the assistant uses it: livekit's OpenAI plugins, tools, background work and prewarmed prompts."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import httpx
import numpy as np
import openai
import pytest
from livekit import rtc
from livekit.agents import Agent, AgentSession, APIConnectOptions, APITimeoutError, ChatContext, function_tool, llm
from livekit.plugins import openai as plugin

from tests.support.clips import clips
from tests.support.eventually import PATIENCE
from tests.support.fake_letta import FakeLetta
from tests.support.models import LLM, RunningModels, read_anew
from tests.support.speech import recognise, samples_of, say, words
from voice_agent.contracts import AS_INSTALLED, AgentBinding, RoomPolicy
from voice_agent.conversation.answers_ahead import AnswersAhead
from voice_agent.conversation.prompt_prewarmer import prewarm_prompt, read_ahead
from voice_agent.conversation.providers import build_providers, load_vad
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.languages import ENGLISH
from voice_agent.memory.access import Memory
from voice_agent.memory.audience import Listener
from voice_agent.memory.model import Block
from voice_agent.memory.prompt import build_prompt
from voice_agent.models.chat_backends import CONVERSATIONS
from voice_agent.providers import endpoints
from voice_agent.providers.endpoints import Endpoint
from voice_agent.providers.local_server import PREVIEW, PRIORITY_HEADER, SHARED_PROMPT
from voice_agent.providers.prewarm import prewarm, prewarm_speech
from voice_agent.providers.sound import whole_wav
from voice_agent.registry.agents import AgentRegistry
from voice_agent.registry.people import OWNER
from voice_agent.registry.store import SqlAgentStore, SqlOwnMemoryStore
from voice_agent.settings import Settings, load
from voice_agent.storage import Database, upgrade
from voice_agent.web.agent_prewarmer import AgentPrewarmer

ENDLESS: Final = {"ignore_eos": True}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "set_timer",
        "description": "Start a timer",
        "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]},
    },
}


@pytest.fixture
def settings(models: RunningModels, tmp_path: Path) -> Settings:
    port = int(models.url.rsplit(":", 1)[1])
    return Settings.model_validate({"VOICE_HOME": tmp_path, "VOICE_MODELS_PORT": port, "VOICE_LLM_MODEL": LLM})


async def test_livekits_tts_and_stt(settings: Settings) -> None:
    mouth, ears = endpoints.tts(settings), endpoints.stt(settings)
    tts = plugin.TTS(
        base_url=mouth.base_url, api_key=mouth.api_key, model=mouth.model, voice=mouth.voice, response_format="pcm"
    )
    stt = plugin.STT(base_url=ears.base_url, api_key=ears.api_key, model=ears.model, language="en")
    try:
        async with tts.synthesize("Good morning everyone.") as stream:
            frames = [event.frame async for event in stream]
        sound = rtc.combine_audio_frames(frames)
        assert sound.sample_rate == 24_000
        heard = await stt.recognize(sound)
        assert words(heard.alternatives[0].text) == ["good", "morning", "everyone"]
    finally:
        await tts.aclose()
        await stt.aclose()
        await stt._client.close()  # the plugin leaves the client that it made


async def test_ears_and_voice_that_say_nothing_fail_in_time(tmp_path: Path) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    settings = Settings.model_validate({"VOICE_HOME": tmp_path, "OPENAI_BASE_URL": url})
    providers = build_providers(settings, load_vad(), AS_INSTALLED, silence=0.3)
    once = APIConnectOptions(max_retry=0)
    try:
        async with asyncio.timeout(20):
            with pytest.raises(APITimeoutError):
                await providers.stt.recognize(rtc.AudioFrame(bytes(32_000), 16_000, 1, 16_000), conn_options=once)
            async with providers.tts.synthesize("Hello?", conn_options=once) as stream:
                with pytest.raises(APITimeoutError):
                    await anext(stream)
    finally:
        await providers.aclose()
        server.close()
        await server.wait_closed()


async def test_ears_guess_at_a_pause_and_again_when_there_was_more(settings: Settings) -> None:
    def sound(text: str) -> rtc.AudioFrame:
        samples = samples_of(say(text, endpoints.tts(settings).base_url, rate=16_000))
        loud = np.flatnonzero(np.abs(samples) > 0.02)
        spoken = samples[loud[0] : loud[-1]]
        return rtc.AudioFrame((spoken * 32767).astype(np.int16).tobytes(), 16_000, 1, len(spoken))

    def silence(seconds: float) -> rtc.AudioFrame:
        return rtc.AudioFrame(bytes(int(32_000 * seconds)), 16_000, 1, int(16_000 * seconds))

    providers = build_providers(settings, load_vad(), AS_INSTALLED)
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def note(request: httpx.Request) -> None:
        if PRIORITY_HEADER not in request.headers:  # not a caption
            asked.put_nowait(request.url.path)

    providers.clients[0]._client.event_hooks["request"].append(note)
    try:
        async with asyncio.timeout(60), providers.stt.stream() as ears:
            ears.push_frame(await asyncio.to_thread(sound, "Good morning everyone"))
            ears.push_frame(silence(0.3))
            await asked.get()  # the pause is not long enough yet to end a turn
            ears.push_frame(await asyncio.to_thread(sound, "and good evening"))
            ears.push_frame(silence(0.3))
            await asked.get()
            ears.push_frame(silence(1.0))
            ears.end_input()
            events = [event async for event in ears]
    finally:
        await providers.aclose()
    captions = [event for event in events if event.type == "interim_transcript"]
    others = [event.type for event in events if event not in captions]
    assert others == ["start_of_speech", "end_of_speech", "final_transcript"]
    assert ["good", "morning", "everyone"] in [words(event.alternatives[0].text) for event in captions]
    assert words(events[-1].alternatives[0].text) == ["good", "morning", "everyone", "and", "good", "evening"]
    assert asked.empty(), "recognised once more when the pause was over"


@pytest.mark.parametrize("stream", [True, False])
def test_a_tool_is_called_properly(client: openai.OpenAI, stream: bool) -> None:
    """`required`: even a tiny model can only call; whether it chooses well is a matter of its size."""
    answer: Any = client.chat.completions.create(
        model=LLM,
        messages=[{"role": "user", "content": "Set a timer for ten minutes."}],
        tools=[TOOL],
        tool_choice="required",
        temperature=0,
        stream=stream,
    )
    if stream:
        pieces = [piece.choices[0] for piece in answer if piece.choices]
        (call,) = [call for piece in pieces for call in piece.delta.tool_calls or ()]
        finish = pieces[-1].finish_reason
    else:
        (call,) = answer.choices[0].message.tool_calls
        finish = answer.choices[0].finish_reason
    assert (call.function.name, finish) == ("set_timer", "tool_calls")
    assert isinstance(json.loads(call.function.arguments)["minutes"], int)


def test_background_work_yields_to_a_turn(models: RunningModels) -> None:
    long = {
        "model": f"{LLM}-background",
        "messages": [{"role": "user", "content": "Tell a very long story."}],
        "max_tokens": 6000,
        "ignore_eos": True,
    }
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(httpx.post, f"{models.base_url}/chat/completions", json=long, timeout=120)
        while not work.done():  # each is a turn; the first one that meets the work ends it
            recognise(np.zeros(1600, np.float32), models.base_url, rate=16_000)
        answer = work.result()
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "model_busy"
    assert answer.headers["retry-after"]


def test_who_asked_first_is_answered_first(client: openai.OpenAI) -> None:
    written: list[str] = []
    opened = threading.Event()

    def write(name: str, question: str) -> None:
        messages: Any = [{"role": "user", "content": question}]
        for piece in client.chat.completions.create(
            model=LLM, messages=messages, max_tokens=30, prompt_cache_key=name, stream=True, extra_body=ENDLESS
        ):
            opened.set()
            if piece.choices and piece.choices[0].delta.content:
                written.append(name)

    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(write, "long", f"{uuid.uuid4()} And then we walked along the river. " * 6)
        assert opened.wait(120)
        pool.submit(write, "short", "Hi").result()
        long.result()
    assert written.index("short") > written.index("long") + 8, "its beginning is not read and written beside another's"


@pytest.mark.parametrize(
    ("facts", "so_far", "question"),
    [
        ("", "", "Hi"),
        ("What you know about the user:\n- They play the cello.", "Which instrument do", "Which instrument do I play?"),
    ],
    ids=["before a question", "while it is being said"],
)
async def test_what_a_turn_begins_with_is_prewarmed(settings: Settings, facts: str, so_far: str, question: str) -> None:
    @function_tool(name="search", description="Looks something up.")
    async def search(query: str) -> str:
        return query

    async def put(prompt: ChatContext, words: str) -> bool:
        if facts:
            prompt.add_message(role="system", content=facts)
        prompt.add_message(role="user", content=words)
        return True

    agent = Agent(instructions="")
    providers = build_providers(settings, load_vad(), AS_INSTALLED)
    session: AgentSession[Any] = AgentSession(llm=providers.llm)
    try:
        await session.start(agent, record=False)
        await agent.update_instructions("You are Nova. " + "The user likes tea and has two cats. " * 12)
        await agent.update_tools([search])
        if so_far:
            await read_ahead(providers.llm_endpoint, agent, lambda prompt: put(prompt, so_far))
        else:
            await prewarm_prompt(providers.llm_endpoint, agent)
        turn = agent.chat_ctx.copy()
        await put(turn, question)
        tools = [tool for tool in agent.tools if isinstance(tool, llm.Tool)]
        unhurried = APIConnectOptions(timeout=60)  # other tests use both cores
        async with providers.llm.chat(chat_ctx=turn, tools=tools, conn_options=unhurried) as answer:
            (usage,) = [piece.usage async for piece in answer if piece.usage]
    finally:
        await session.aclose()
        await providers.aclose()
    # The last words, and what the template puts between them and the answer.
    assert usage.prompt_tokens - usage.prompt_cached_tokens <= 9


def test_what_one_conversation_has_read_a_second_one_need_not(client: openai.OpenAI) -> None:
    known = f"You are Nova. {uuid.uuid4()} " + "The user likes tea and has two cats. " * 40
    assert read_anew(client, known, "one", "Hi") > 300
    assert read_anew(client, known, "two", "Hello") < 30
    assert read_anew(client, known, "one", "Hi there") < 30, "and has kept it"


def test_what_was_read_for_many_no_conversation_needs_to_read(client: openai.OpenAI) -> None:
    known = f"You are Rosa. {uuid.uuid4()} " + "The user plays the cello and likes rain. " * 40
    messages: Any = [{"role": "system", "content": known}]

    def asked(model: str, **headers: str) -> str | None:
        answer = client.chat.completions.create(
            model=model, messages=messages, max_tokens=1, prompt_cache_key="rosa", extra_headers=headers
        )
        return answer.choices[0].message.content

    background = f"{LLM}-background"
    assert asked(background)
    assert asked(background), "who did not ask for that gets an answer each time"
    assert asked(LLM, **{PRIORITY_HEADER: SHARED_PROMPT})
    assert asked(LLM, **{PRIORITY_HEADER: SHARED_PROMPT}) == "", "nothing is computed a second time"
    # Other background work takes the place where it was read; more conversations come than there are places.
    client.chat.completions.create(model=background, messages=[{"role": "user", "content": "Tidy up."}], max_tokens=1)
    for number in range(CONVERSATIONS):
        client.chat.completions.create(
            model=LLM,
            messages=[{"role": "user", "content": "Hi."}],
            max_tokens=1,
            prompt_cache_key=f"other {number}",
        )
    assert read_anew(client, known, "somebody", "Hi") < 30


async def test_whoever_can_be_picked_is_read_before_anybody_comes(settings: Settings, client: openai.OpenAI) -> None:
    letta, database = FakeLetta(), Database(settings.effective_database_url)
    agent_id = await letta.add_agent("Rosa", [Block("human", f"{uuid.uuid4()} likes rain and the cello. " * 20)])
    try:
        await upgrade(database)
        registry = AgentRegistry(SqlAgentStore(database), SqlOwnMemoryStore(database), letta, time.time, "")
        assert await AgentPrewarmer(settings, registry, letta).prepare()
    finally:
        await database.close()
    rosa = AgentBinding(agent_id=agent_id, letta_agent_id=agent_id, name="Rosa")
    prompt = build_prompt(rosa, await letta.load_blocks(agent_id), user_name="Ada").text
    assert read_anew(client, prompt, "Ada's", "Hi") < 40
    for greeting in ("Hello, this is Rosa. How can I help you?", "Welcome back. What would you like to talk about?"):
        assert kept_speech(settings, greeting)


def kept_speech(settings: Settings, text: str) -> bool:
    """Whether speech comes as a whole, because it was made before. Asks for it as an assistant does."""
    voice = endpoints.tts(settings)
    order = {"model": voice.model, "input": text, "voice": voice.voice, "speed": 1.0, "response_format": "pcm"}
    answer = httpx.post(f"{voice.base_url}/audio/speech", json=order, timeout=PATIENCE).raise_for_status()
    assert len(answer.content) > 24_000
    return "content-length" in answer.headers


async def test_what_was_told_is_synthesized_before_it_is_asked_for(settings: Settings) -> None:
    street = f"Street {uuid.uuid4().int % 10_000}"
    letta, database = FakeLetta(), Database(settings.effective_database_url)
    agent_id = await letta.add_agent("Rosa", [Block("human", f"They live with two old dogs in {street}.")])
    rosa = AgentBinding(agent_id=agent_id, letta_agent_id=agent_id, name="Rosa")
    memory = Memory(database, letta)
    failed: list[tuple[str, BaseException]] = []
    tasks = OwnedTasks("episode", lambda *failure: failed.append(failure))
    local = SimpleNamespace(tts_endpoint=endpoints.tts(settings), llm_endpoint=endpoints.llm(settings))
    context = SimpleNamespace(
        agent=rosa, language=ENGLISH, policy=RoomPolicy.SESSION, whose=(agent_id, OWNER, "session")
    )
    try:
        await upgrade(database)
        await memory.load(agent_id, PATIENCE, Listener.of(OWNER, {}))
        AnswersAhead(tasks, cast(Any, local), memory, cast(Any, context)).start()
        await tasks.finish()
    finally:
        await database.close()
    assert not failed
    assert kept_speech(settings, "You live with two old dogs")
    assert kept_speech(settings, f"in {street}.")


def test_what_is_said_a_second_time_is_kept(settings: Settings) -> None:
    text = f"The number {uuid.uuid4().int % 10_000} is on my door."
    assert [kept_speech(settings, text) for _ in range(3)] == [False, False, True]


def test_a_preview_is_made_as_a_whole_in_each_voice(settings: Settings) -> None:
    voice = endpoints.tts(settings)
    heard = set()
    for name in ("bm_george", "ff_siwis", "if_sara", "pf_dora"):
        order = {"model": voice.model, "input": f"Preview {uuid.uuid4().hex[:4]}.", "voice": name}
        answer = httpx.post(
            f"{voice.base_url}/audio/speech",
            json=order | {"response_format": "wav"},
            headers={PRIORITY_HEADER: PREVIEW},
            timeout=PATIENCE,
        ).raise_for_status()
        assert "content-length" in answer.headers
        wav = whole_wav(answer.content)
        assert wav is not None
        assert np.abs(np.frombuffer(wav[44:], "<i2")).mean() > 100
        heard.add(wav)
    assert len(heard) == 4


async def test_nothing_is_prepared_elsewhere() -> None:
    await prewarm(Endpoint("llm", "http://127.0.0.1:9/v1", "k", "m", local=False), [])
    await prewarm_speech(Endpoint("tts", "http://127.0.0.1:9/v1", "k", "m", local=False), "Hello.")


@pytest.mark.parametrize("number", [22058264, 22058266, 22058267])
def test_one_real_word_is_heard(models: RunningModels, number: int) -> None:
    """One of them, a "no" between two silences, is overlooked at first."""
    (clip,) = (clip for clip in clips(load().settings.cache) if str(number) in clip.name)
    assert words(recognise(clip.sound, models.base_url)) == words(clip.said)
