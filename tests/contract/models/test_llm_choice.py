"""Choice of the language model at a start: what was never used here is tried out, and what does worse is not used."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.scripted_llm import MODEL, Rule, ScriptedLLM
from voice_agent.models.catalog import QWEN
from voice_agent.providers.endpoints import OPENAI_LLM
from voice_agent.settings import Settings
from voice_agent.stack import llm_trial
from voice_agent.stack.llm_choice import DEFAULT, keep, settled
from voice_agent.stack.llm_servers import Usual, find
from voice_agent.stack.llm_trial import Figures

GOOD = (
    Rule(user="five sentences", reply="A light that warns ships at night, and more.", between=0.001),
    *(
        Rule(user=re.escape(request), tool=tool, arguments={"text": pattern})
        for request, tool, pattern in llm_trial.TOOLS
        if tool
    ),
    *(
        Rule(user=re.escape(statement), reply=json.dumps({"facts": [statement] if pattern else []}))
        for statement, pattern in llm_trial.FACTS
    ),
    *(
        Rule(user=re.escape(question), system=re.escape(known[0]), reply=known[0])
        for known, question, _ in llm_trial.RECALL
        if known
    ),
    Rule(system="nothing about this", reply="You have not told me that."),
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With a trial of the default, which did well."""
    settings = Settings(home=tmp_path / "home", cache=tmp_path / "cache")
    keep(settings, QWEN.version, Figures(6, 4, 5, words_per_second=12.0))
    return settings


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def other_program() -> Iterator[ScriptedLLM]:
    with ScriptedLLM() as llm:
        yield llm


@pytest.fixture
def ordinary_web_server() -> Iterator[Usual]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, name="web")
    thread.start()
    try:
        yield Usual("llama-server", server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def at(llm: ScriptedLLM) -> list[Usual]:
    return [Usual("Nobody", 9), Usual("Ollama", int(llm.base_url.split(":")[2].split("/")[0]))]


async def test_a_model_that_cannot_be_had_gives_way_to_the_default(settings: Settings, said: list[str]) -> None:
    wanted = settings.model_copy(update={"llm_model": "qwen2.5-1.5b-instruct", "model_hub": "http://127.0.0.1:9"})
    assert (await settled(wanted, said.append, [])).llm_model == DEFAULT
    assert any("is not used" in line and "VOICE_MODEL_HUB" in line for line in said)


async def test_the_default_is_used_without_a_trial(settings: Settings, said: list[str]) -> None:
    assert await settled(settings, said.append, []) == settings
    assert said == []


async def test_what_already_runs_is_offered_and_not_used_by_itself(
    settings: Settings, said: list[str], other_program: ScriptedLLM
) -> None:
    assert await settled(settings, said.append, at(other_program)) == settings
    assert len(said) == 1
    assert f"Ollama runs on this machine with {MODEL} and 1 more; VOICE_LLM=auto" in said[0]


async def test_on_demand_what_already_runs_is_tried_out_and_used(
    settings: Settings, said: list[str], other_program: ScriptedLLM
) -> None:
    other_program.script(*GOOD)
    auto = settings.model_copy(update={"llm": "auto"})
    chosen = await settled(auto, said.append, at(other_program))
    assert (chosen.llm_base_url, chosen.llm_model) == (other_program.base_url, MODEL), said
    other_program.script()
    asked = len(other_program.requests())
    assert await settled(auto, said.append, at(other_program)) == chosen, "once it did well"
    assert len(other_program.requests()) == asked


async def test_on_demand_what_does_worse_is_not_used(
    settings: Settings, said: list[str], other_program: ScriptedLLM
) -> None:
    other_program.script(Rule(reply="Bananas."))
    chosen = await settled(settings.model_copy(update={"llm": "auto"}), said.append, at(other_program))
    assert (chosen.llm_base_url, chosen.llm_model) == ("", DEFAULT)
    assert any(f"{MODEL} is not used" in line for line in said)


@pytest.mark.parametrize("wanted", ["", "qwen3:8b"])
async def test_where_nothing_runs_it_is_said_where_it_was_looked_for(
    settings: Settings, said: list[str], wanted: str
) -> None:
    auto = settings.model_copy(update={"llm": "auto", "llm_model": wanted})
    assert (await settled(auto, said.append, [Usual("Nobody", 9)])).llm_model == DEFAULT
    assert any("Ollama (11434)" in line and wanted in line for line in said)


async def test_a_model_that_is_named_is_the_one_that_is_used(
    settings: Settings, said: list[str], other_program: ScriptedLLM
) -> None:
    other_program.script(*GOOD)
    for wanted, chosen in ((MODEL, MODEL), ("qwen3:8b", DEFAULT)):
        auto = settings.model_copy(update={"llm": "auto", "llm_model": wanted})
        assert (await settled(auto, said.append, at(other_program))).llm_model == chosen


async def test_with_a_key_for_openai_that_is_what_remains(
    settings: Settings, said: list[str], other_program: ScriptedLLM
) -> None:
    other_program.script(Rule(reply="Bananas."))
    auto = settings.model_copy(update={"llm": "auto", "openai_api_key": "sk-test"})
    chosen = await settled(auto, said.append, at(other_program))
    assert (chosen.llm_base_url, chosen.llm_model) == ("", OPENAI_LLM)


async def test_a_server_that_is_named_is_used_as_it_is(settings: Settings, said: list[str]) -> None:
    named = settings.model_copy(update={"llm": "auto", "llm_base_url": "http://127.0.0.1:9/v1", "llm_model": "any"})
    assert await settled(named, said.append, [Usual("Nobody", 9)]) == named
    assert said == []


async def test_another_program_at_a_usual_port_is_not_taken_for_one(
    other_program: ScriptedLLM, ordinary_web_server: Usual
) -> None:
    assert [server.program for server in await find([ordinary_web_server, *at(other_program)])] == ["Ollama"]
