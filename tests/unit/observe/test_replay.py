"""Replay: it finds nothing in a clean log, whatever failed while it was written, and finds each broken invariant."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.fleet import Fleet
from tests.support.fleet_job import Job
from tests.support.fleet_traffic import populate
from voice_agent.cli import app
from voice_agent.contracts import LogEvent
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.machine import Machine
from voice_agent.lifecycle.states import Human
from voice_agent.observe.journal import Journal
from voice_agent.observe.log import ReconnectLog
from voice_agent.observe.reading import read_all
from voice_agent.observe.record import check
from voice_agent.observe.replay import Breach

Lines = list[dict[str, Any]]


def write(path: Path, lines: Lines) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def breaches(log: Path, *records: Path, bound: float = 20.0, settled: bool = False) -> list[Breach]:
    return list(check(read_all([log]), read_all(records), bound=bound, settled=settled))


# --- a clean log ---


def visit(tmp_path: Path) -> Lines:
    """One assistant, two visits, a reset by hand; one event a second."""
    clock = iter(range(1, 10_000))
    path = tmp_path / "clean.jsonl"
    log = ReconnectLog(path, "job", clock=lambda: float(now))
    journal = Journal(log.bind(room="r", session="s"), Machine())
    story: list[ev.Event] = [ev.JobStarted(0, "a", 1), ev.RoomConnected(), ev.AudioPublished(), ev.MemoryLoaded(1)]
    for episode, sid in ((1, "PA_1"), (2, "PA_2")):
        story += [ev.HumanJoined(Human(sid, "ann")), ev.ListenerSubscribed(sid), ev.GreetingFinished(episode)]
        story += [ev.TurnStarted(episode, f"t{episode}"), ev.TurnFinished(episode, f"t{episode}"), ev.HumanLeft(sid)]
        story += [ev.SpeechStopped(episode), ev.TasksEnded(episode), ev.HistoryCleared(episode)]
        story += [ev.MemoryLoaded(episode), ev.MemoryLoaded(episode + 1)]
    now = 0
    for event in [*story, ev.ShutdownRequested(), ev.RoomDisconnected("shutdown")]:
        now = next(clock)
        for effect in journal.handle(event, float(now)):
            journal.performed(effect, "ok", 0.01)
        if isinstance(event, ev.TurnFinished):
            log.bind(room="r", session="s").write(LogEvent.TURN_STORED, turn_id=event.turn_id)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_clean_log_is_clean(tmp_path: Path) -> None:
    assert breaches(write(tmp_path / "log", visit(tmp_path)), settled=True) == []


def test_a_log_written_while_everything_breaks_is_clean(tmp_path: Path) -> None:
    fleet = Fleet(7, workers=2, capacity=10)
    log = ReconnectLog(tmp_path / "log", "fleet", clock=lambda: fleet.now)
    journals: dict[Job, Journal] = {}
    record: Lines = []

    def handle(job: Job, event: ev.Event) -> tuple[Any, ...]:
        name = job.session.name
        journal = journals.setdefault(job, Journal(log.bind(room=name, session=name), job.machine))
        return journal.handle(event, fleet.now)

    def observe(event: str, session: Any, sid: str) -> None:
        record.append({"mono": fleet.now, "room": session.name, "event": event, "sid": sid})

    fleet.handle, fleet.observe = handle, observe
    populate(fleet, 6, pause=10, fault_every=5, bound=75)
    fleet.run(200)
    rooms = {line["room"]: line for line in record}
    watching = [{"mono": 0.0, "room": room, "event": "observer.joined"} for room in rooms]
    assert fleet.counts["faults"] > 20
    assert breaches(tmp_path / "log", write(tmp_path / "record", watching + record), bound=75) == []


# --- each invariant, broken ---


def named(lines: Lines, event: str, **fields: Any) -> list[int]:
    """Where the lines of this event are whose fields hold these."""

    def holds(line: dict[str, Any]) -> bool:
        return all(line["fields"].get(name) == value for name, value in fields.items())

    return [at for at, line in enumerate(lines) if line["event"] == event and holds(line)]


def renumber(lines: Lines) -> None:
    for number, line in enumerate(lines, start=1):
        line["seq"] = number


def lose_a_line(lines: Lines) -> None:
    del lines[5]


def change_a_state(lines: Lines) -> None:
    lines[named(lines, "lifecycle.transition", to="engaged")[0]]["fields"]["to"] = "ready"


def tell_the_impossible(lines: Lines) -> None:
    at = named(lines, "lifecycle.transition", trigger="room connected")[0]
    lines[at]["fields"]["cause"] = {"name": "TurnStarted", "episode": 1, "turn_id": "t"}


def admit_the_impossible(lines: Lines) -> None:
    fields = {"state": "ready", "trigger": "turn started", "cause": {"name": "TurnStarted"}}
    lines.append({**lines[-1], "event": "lifecycle.illegal", "fields": fields})
    renumber(lines)


def leave_out_a_field(lines: Lines) -> None:
    del lines[named(lines, "turn.finished")[0]]["fields"]["turn_id"]


def another_epoch_is_ready(lines: Lines) -> None:
    """A second life with a higher epoch comes up; then the first one speaks."""
    rises = named(lines, "memory.loaded")[0] + 1
    second = json.loads(json.dumps(lines[:rises]))
    for line in second:
        line["fields"]["life"] = "second"
        if line["fields"].get("cause", {}).get("name") == "JobStarted":
            line["fields"]["cause"]["lease_epoch"] = 2
    lines[rises:rises] = second
    renumber(lines)


def store_twice(lines: Lines) -> None:
    at = named(lines, "turn.stored")[0]
    lines.insert(at, lines[at])
    renumber(lines)


def store_out_of_order(lines: Lines) -> None:
    first, second = named(lines, "turn.stored")
    moved = lines.pop(first)
    lines.insert(second, moved)
    renumber(lines)


def finish_twice(lines: Lines) -> None:
    at = named(lines, "turn.finished")[0]
    lines.insert(at, lines[at])
    renumber(lines)


def never_store(lines: Lines) -> None:
    del lines[named(lines, "turn.stored")[1]]
    renumber(lines)


def a_task_outlives_its_episode(lines: Lines) -> None:
    at = named(lines, "lifecycle.effect", effect="Greet")[0]
    late = {**lines[at], "episode": 2}
    lines.append(late)
    renumber(lines)


def call_it_fresh_without_loading(lines: Lines) -> None:
    for at in named(lines, "lifecycle.transition", **{"from": "resetting"}):
        fields = lines[at]["fields"]
        fields["effects"] = [effect for effect in fields["effects"] if effect != "LoadMemory"]


def take_too_long_to_reset(lines: Lines) -> None:
    for line in lines[named(lines, "lifecycle.transition", trigger="history cleared")[0] :]:
        line["mono"] += 60


def greet_twice(lines: Lines) -> None:
    lines[named(lines, "lifecycle.transition", trigger="turn finished")[0]]["fields"]["effects"].append("Greet")


def greet_nobody(lines: Lines) -> None:
    lines[named(lines, "lifecycle.transition", to="ready")[0]]["fields"]["effects"].append("Greet")


def speak_to_nobody(lines: Lines) -> None:
    at = named(lines, "greeting.spoken")[0]
    lines.insert(named(lines, "reset.done")[0], lines[at])
    renumber(lines)


def idle_out_of_an_occupied_room(lines: Lines) -> None:
    fields = lines[named(lines, "lifecycle.transition", trigger="turn started")[0]]["fields"]
    fields["trigger"], fields["effects"] = "nobody came back", ["LeaveRoom"]


def close_an_occupied_room(lines: Lines) -> None:
    at = named(lines, "turn.started")[0]
    lines.insert(at, {**lines[at], "event": "room.closed", "process": "serve", "fields": {"why": "expired"}})
    for number, line in enumerate([line for line in lines if line["process"] == "job"], start=1):
        line["seq"] = number


BROKEN: list[tuple[Callable[[Lines], None], str, str]] = [
    (lose_a_line, "log", "1 lines of process"),
    (leave_out_a_field, "log", "lacks what its event promises"),
    (change_a_state, "machine", "the log says"),
    (tell_the_impossible, "machine", "not possible in state starting"),
    (admit_the_impossible, "machine", "was told in state ready"),
    (another_epoch_is_ready, "1", "Epoch 1 speaks although epoch 2"),
    (store_twice, "3", "stored twice"),
    (store_out_of_order, "3", "is stored before turn t1"),
    (finish_twice, "3", "finished twice"),
    (never_store, "3", "never stored: t2"),
    (a_task_outlives_its_episode, "4", "a task outlived its episode"),
    (call_it_fresh_without_loading, "4", "nothing was loaded since"),
    (take_too_long_to_reset, "4", "The reset took"),
    (greet_twice, "6", "greeting 2 of one visit"),
    (greet_nobody, "6", "although nobody is in the room"),
    (speak_to_nobody, "6", "Something is said"),
    (idle_out_of_an_occupied_room, "7", "for want of company"),
    (close_an_occupied_room, "7", "closed while 1 humans"),
]


@pytest.mark.parametrize(("harm", "invariant", "words"), BROKEN, ids=[harm.__name__ for harm, _, _ in BROKEN])
def test_each_broken_invariant_is_found(
    harm: Callable[[Lines], None], invariant: str, words: str, tmp_path: Path
) -> None:
    lines = visit(tmp_path)
    harm(lines)
    found = breaches(write(tmp_path / "log", lines), settled=True)
    fitting = [breach for breach in found if breach.invariant == invariant and words in breach.sentence]
    assert fitting, found
    assert str(tmp_path / "log") in str(fitting[0]) or "end of the log" in str(fitting[0])
    assert "session s" in str(fitting[0])


def test_what_a_fenced_job_reports_after_its_sleep_was_said_before(tmp_path: Path) -> None:
    """It greets, is paused, and another takes over; it wakes, is told so, and only then reports the greeting."""
    log = ReconnectLog(tmp_path / "log", "job", clock=lambda: float(now))
    first = [ev.JobStarted(0, "a", 1), ev.RoomConnected((Human("PA_1", "ann"),)), ev.AudioPublished()]
    first += [ev.MemoryLoaded(1), ev.ListenerSubscribed("PA_1")]
    second = [ev.JobStarted(1, "a", 2, frozenset({"PA_1"})), *first[1:3], ev.MemoryLoaded(2)]
    woken = [ev.LeaseLost("overslept"), ev.GreetingFinished(1), ev.RoomDisconnected("fenced")]
    journals = [Journal(log.bind(room="r", session="s"), Machine()) for _ in range(2)]
    now = 0
    for journal, events in ((journals[0], first), (journals[1], second), (journals[0], woken)):
        for event in events:
            now += 1
            journal.handle(event, float(now))
    assert breaches(tmp_path / "log") == []


def test_who_goes_on_speaking_is_written_down_once(tmp_path: Path) -> None:
    log = ReconnectLog(tmp_path / "log", "job", clock=lambda: float(now))
    journal = Journal(log.bind(room="r", session="s"), Machine())
    story: list[ev.Event] = [ev.JobStarted(0, "a", 1), ev.RoomConnected(), ev.AudioPublished(), ev.MemoryLoaded(1)]
    story += [ev.HumanJoined(Human("PA_1", "ann")), ev.HumanJoined(Human("PA_2", "bob"))]
    for now, event in enumerate([*story, *[ev.SpeakerChanged("PA_2")] * 50, *[ev.SpeakerChanged("PA_1")] * 50]):
        journal.handle(event, float(now))
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    changes = [line["fields"]["cause"] for line in lines if line["fields"].get("trigger") == "speaker changed"]
    assert [change["sid"] for change in changes] == ["PA_2", "PA_1"]
    told = [line for line in lines if line["fields"].get("cause", {}).get("name") == "SpeakerChanged"]
    assert len(told) == len(changes)
    assert breaches(tmp_path / "log") == []


def turns(tmp_path: Path, *happened: str) -> list[Breach]:
    """`+a`: turn a begins, `a`: it is finished, `=a`: it is stored."""
    events = {"+": LogEvent.TURN_STARTED, "=": LogEvent.TURN_STORED}
    lines = [
        {
            "mono": float(now),
            "room": "r",
            "session": "s",
            "event": str(events.get(what[0], LogEvent.TURN_FINISHED)),
            "fields": {"turn_id": what[-1]},
        }
        for now, what in enumerate(happened)
    ]
    return breaches(write(tmp_path / "log", lines), settled=True)


@pytest.mark.parametrize(
    "happened",
    [
        "+a a =a +b b =b",
        "+a +b +c b c a =a =b =c",
        "+a +b b a =a =b",
        "+a +b c b a =a =b =c",  # the log begins in the middle of c
        "+a +b b =b",  # a was cut off: it is never finished
        "+a +b =a a =b b",  # written down by two processes
        "+a a +a a =a",  # left without an answer, and taken up by the next agent
    ],
)
def test_turns_may_overlap(happened: str, tmp_path: Path) -> None:
    assert turns(tmp_path, *happened.split()) == []


@pytest.mark.parametrize(
    ("happened", "words"),
    [
        ("+a +b a b =b =a", "Turn b is stored before turn a, which began earlier."),
        ("+a a +b b =b =a", "Turn b is stored before turn a, which began earlier."),
        ("+a +b b a =a =b =a", "Turn a is stored twice."),
        ("+a +b b a a =a =b", "Turn a is finished twice."),
        ("+a +b b a =b", "Turn b is stored before turn a, which began earlier."),
        ("+a +b b a =a", "never stored: b"),
    ],
)
def test_turns_that_overlap_are_stored_once_and_in_order(happened: str, words: str, tmp_path: Path) -> None:
    found = turns(tmp_path, *happened.split())
    assert [breach.invariant for breach in found] == ["3"], found
    assert words in found[0].sentence


# --- what an observer saw and heard ---


def saw(*events: tuple[float, str, str]) -> Lines:
    start = [{"mono": 0.0, "room": "r", "event": "observer.joined"}]
    return start + [{"mono": mono, "room": "r", "event": event, "sid": sid} for mono, event, sid in events]


CLEAN_RECORD = (
    (4.5, "agent.ready", "PA_a"),
    (5.0, "human.joined", "PA_1"),
    (6.0, "audio.began", "PA_a"),
    (8.0, "audio.ended", "PA_a"),
    (10.0, "human.left", "PA_1"),
)


@pytest.mark.parametrize(
    ("events", "invariant", "words"),
    [
        (CLEAN_RECORD, "", ""),
        ((*CLEAN_RECORD[:3], (7.0, "audio.began", "PA_b")), "1", "at the same time"),
        ((CLEAN_RECORD[1], (40.0, "agent.ready", "PA_a")), "2", "without a ready agent for 35.0 s"),
        ((*CLEAN_RECORD[:2], (30.0, "agent.unready", "PA_a"), (51.0, "agent.left", "PA_a")), "2", "for 21.0 s"),
        ((CLEAN_RECORD[0], (5.0, "human.joined", "PA_9"), (30.0, "human.left", "x")), "2", "the log does not know"),
        ((*CLEAN_RECORD, (12.0, "audio.began", "PA_a")), "6", "speaks to an empty room"),
        (
            (*CLEAN_RECORD, (12.0, "audio.began", "PA_a"), (14.0, "human.joined", "PA_1")),
            "6",
            "speaks to an empty room",
        ),
        ((*CLEAN_RECORD, (12.0, "audio.began", "PA_a"), (12.2, "human.joined", "PA_1")), "", ""),
        ((*CLEAN_RECORD[:3], CLEAN_RECORD[4], (12.0, "audio.ended", "PA_a")), "6", "went on speaking"),
        ((*CLEAN_RECORD[:2], (7.0, "room.closed", "")), "7", "closed while 1 humans"),
        ((*CLEAN_RECORD, (12.0, "moon.rose", "")), "record", "no event 'moon.rose'"),
        ((CLEAN_RECORD[1], (9.0, "observer.left", ""), (90.0, "observer.joined", "")), "", ""),
    ],
)
def test_a_record_is_held_against_the_log(events: tuple[Any, ...], invariant: str, words: str, tmp_path: Path) -> None:
    log = write(tmp_path / "log", visit(tmp_path))
    found = breaches(log, write(tmp_path / "record", saw(*events)))
    assert [breach.invariant for breach in found] == ([invariant] if invariant else []), found
    assert all(words in breach.sentence for breach in found)


def test_a_human_who_still_waits_at_the_end_is_found(tmp_path: Path) -> None:
    log = write(tmp_path / "log", [{"mono": 99.0, "event": "notice", "fields": {}}])
    (found,) = breaches(log, write(tmp_path / "record", saw((5.0, "human.joined", "PA_1"))))
    assert "for 94.0 s" in found.sentence


# --- files ---


def test_rotated_parts_are_read_in_order_and_a_torn_end_is_no_breach(tmp_path: Path) -> None:
    lines = visit(tmp_path)
    older, newer = write(tmp_path / "log.1", lines[:20]), write(tmp_path / "log", lines[20:])
    with newer.open("a") as handle:
        handle.write('{"time": "2026-')
    assert list(check(read_all([newer, older]), [], bound=20)) == []
    result = CliRunner().invoke(app, ["replay", str(newer), str(older)])
    assert (result.exit_code, result.output) == (0, "No breach.\n")


def test_a_log_that_begins_in_the_middle_is_taken_as_it_is(tmp_path: Path) -> None:
    assert breaches(write(tmp_path / "log", visit(tmp_path)[20:])) == []


def test_a_broken_log_ends_in_exit_code_one(tmp_path: Path) -> None:
    log, record = tmp_path / "log", tmp_path / "record"
    log.write_text("[]\nnonsense\n")
    record.write_text("nonsense\n")
    result = CliRunner().invoke(app, ["replay", str(log), "--observer", str(record)])
    assert result.exit_code == 1
    assert f"{log}:2: room -, session -: This line is not a JSON object. [log]" in result.output
    assert "3 breaches." in result.output


def test_of_several_people_in_a_room_each_has_an_order_of_their_own(tmp_path: Path) -> None:
    def line(event: LogEvent, turn: str, line_session: str, speaker: str = "") -> dict[str, object]:
        fields = {"turn_id": turn} | ({"session_id": speaker} if speaker else {})
        return {"mono": 1.0, "room": "r", "session": line_session, "event": str(event), "fields": fields}

    lines = [
        line(LogEvent.TURN_STARTED, "a", "of-the-job", "anna"),
        line(LogEvent.TURN_FINISHED, "a", "of-the-job", "anna"),
        line(LogEvent.TURN_STARTED, "b", "of-the-job", "ben"),
        line(LogEvent.TURN_FINISHED, "b", "of-the-job", "ben"),
        line(LogEvent.TURN_STORED, "b", "ben"),
        line(LogEvent.TURN_STORED, "a", "anna"),
    ]
    assert breaches(write(tmp_path / "log", lines), settled=True) == []
    assert breaches(write(tmp_path / "log", lines[:-1]), settled=True) != [], "Anna's was never stored"
