from __future__ import annotations

import json

from voice_agent.models.chat import parse, record


def test_where_a_prompt_is_read_is_not_for_clients_to_choose() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "id_slot": 4}
    assert parse(body) == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def test_the_recorder_answers_without_a_word() -> None:
    answer = json.loads(bytes(record({"model": "recorder"}).body))
    assert answer["choices"][0]["message"]["content"] == ""
