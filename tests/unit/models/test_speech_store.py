from __future__ import annotations

from voice_agent.models.speech_store import LONGEST, SpeechStore

GREETING = ("Hello, this is Juniper.", "af_heart", 1.0)
OTHER = ("Hello, this is Juniper.", "am_puck", 1.0)


def test_what_is_asked_for_a_second_time_is_worth_keeping() -> None:
    store = SpeechStore()
    assert not store.asked_again(GREETING)
    assert not store.asked_again(OTHER), "another voice is another speech"
    assert store.asked_again(GREETING)


def test_what_was_used_least_recently_makes_room() -> None:
    store = SpeechStore(most=25)
    keys = [(f"text {number}", "af_heart", 1.0) for number in range(3)]
    store.put(keys[0], bytes(10))
    store.put(keys[1], bytes(10))
    assert store.get(keys[0]) == bytes(10)
    store.put(keys[2], bytes(10))
    assert [store.get(key) is None for key in keys] == [False, True, False]
    store.put(keys[2], bytes(12))
    assert store.get(keys[0]) is not None, "what is put again counts once"


def test_long_speech_is_not_kept() -> None:
    store = SpeechStore()
    store.put(GREETING, bytes(LONGEST + 1))
    assert store.get(GREETING) is None
