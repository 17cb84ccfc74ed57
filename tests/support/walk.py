"""One visit for each fault: somebody comes, asks, meets the fault, and asks again.

Whoever asks is answered, or is told under a name that something went wrong and then is answered, by this agent or by
the next one. Silence is what fails.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from livekit import api, rtc

from tests.support.caller import Caller
from tests.support.control_plane import ControlPlane, control_plane, eventually
from tests.support.job_worker import JobWorker, world_of_jobs
from tests.support.scripted_llm import Failure, Rule
from tests.support.wounds import How, Wound, Wounded, wounds_possible
from voice_agent.contracts import AgentAttribute, ControlMessage, LogEvent, Rpc, Weight
from voice_agent.conversation.criticality import RULES
from voice_agent.conversation.providers import load_vad
from voice_agent.memory.outbox import Outbox
from voice_agent.rooms.leases import Leases
from voice_agent.settings import Settings
from voice_agent.storage.database import Database

QUESTION: Final = "What is the name of my sailing boat?"
BOAT: Final = "Marigold"
ANOTHER_AGENT: Final = "agent-of-a-switch"
_AT_ONCE: Final = 8
_ANSWERED_WITHIN: Final = 37.0
"""Or told why not. Longer than a typed message may take, shorter than the patience with an agent that says nothing:
to be recycled is no answer."""
_SERVED_WITHIN: Final = 120.0
"""With a ready agent: one that nobody sees is given up after 45 s, then the next one comes."""
_MET_WITHIN: Final = 30.0


AT_ONCE: Final = frozenset(
    {
        *("AcknowledgeReset", "LinkTo", "Rescan", "AnnounceState", "LeaveRoom", "RebindAgent", "StartTimer"),
        *("CancelTimer", "AcknowledgeArrival", "Dropped"),
    }
)
"""Effects that are performed without a task: nothing is awaited, so they can raise only."""
WOUNDS: Final = [Wound(entry, how) for entry in RULES for how in How if how is How.RAISE or entry not in AT_ONCE]
SAMPLE: Final = [
    *(wound for wound in WOUNDS if RULES[wound.entry].weight is Weight.ESSENTIAL and wound.how is How.RAISE),
    *(Wound("recall", How.HANG), Wound("typed", How.CANCEL), Wound("take-up", How.RAISE)),
]
"""Each essential entry, and three optional ones that a question passes through."""


@dataclass
class Visit:
    plane: ControlPlane
    worker: JobWorker
    wounded: Wounded
    agent_id: str
    caller: Caller

    @property
    def room(self) -> str:
        return str(self.caller.session["room_name"])

    async def is_served(self) -> None:
        """Asks until there is an answer; each question that has none has a named error or lost its agent."""
        caller, seen = self.caller, self.caller.seen
        async with asyncio.timeout(_SERVED_WITHIN):
            while True:
                await caller.until(self._somebody_is_ready, "a ready agent", _SERVED_WITHIN)
                agent, captions, notices = caller.agents[0].identity, len(seen.captions), len(seen.notices)

                def answered(since: int = captions) -> bool:
                    return any(BOAT in caption for caption in seen.captions[since:])

                def told(agent: str = agent, since: int = notices) -> bool:
                    named = any(notice.level != "info" and notice.code for notice in seen.notices[since:])
                    return named or all(one.identity != agent for one in caller.agents)

                await caller.type(QUESTION)
                await caller.until(lambda: answered() or told(), "an answer or a named error", _ANSWERED_WITHIN)
                if answered():
                    return

    def _somebody_is_ready(self) -> bool:
        """Greeted or not."""
        return self.caller.attribute(AgentAttribute.READY) == "1"

    async def second_person(self) -> None:
        settings, room = self.plane.settings, rtc.Room()
        grants = api.VideoGrants(room_join=True, room=self.room)
        token = api.AccessToken(settings.livekit_api_key, settings.livekit_api_secret).with_identity("another")
        await room.connect(self.caller.session["server_url"], token.with_grants(grants).to_jwt())
        try:
            await asyncio.wait_for(self.wounded.hit.wait(), _MET_WITHIN)
        finally:
            await room.disconnect()

    async def reset(self) -> None:
        """As a person asks for it; the call fails where the reset does."""
        with suppress(rtc.RpcError, IndexError):
            await self.caller.room.local_participant.perform_rpc(
                destination_identity=self.caller.agents[0].identity, method=Rpc.RESET, payload="", response_timeout=20
            )

    async def wish_to_forget(self) -> None:
        await self.caller.type("Please forget that my sister lives in Rome.")

    async def agents_connection_breaks(self) -> None:
        await self.worker.jobs[self.agent_id][-1].room.simulate_scenario(
            rtc.SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT
        )

    async def persons_connection_breaks(self) -> None:
        """A new connection of theirs replaces it, as nobody had left."""
        broken, session = self.caller, self.caller.session
        anew = Caller(rtc.Room(), session, self.plane.http)
        await anew.room.connect(session["server_url"], session["participant_token"])
        self.caller = anew
        await broken.hang_up()

    async def switch(self) -> None:
        answer = await self.caller.ask_the_server("PUT", "/agent", json={"agent_id": ANOTHER_AGENT})
        answer.raise_for_status()

    async def switch_of_one_who_leaves(self) -> None:
        await self.plane.livekit.order(self.room, ControlMessage(act="drain"))
        await self.caller.until(
            lambda: self.caller.attribute(AgentAttribute.STATE) == "draining", "an agent that leaves"
        )
        await self.switch()

    async def fenced(self) -> None:
        """Somebody found its lease silent."""
        database = Database(self.plane.settings.effective_database_url)
        try:
            leases = Leases(database)
            row = (await leases.of([self.room]))[self.room]
            assert await leases.fence(self.room, row.epoch)
        finally:
            await database.close()

    async def replaced_with_a_question_open(self) -> None:
        """The scripted model never answers a riddle."""
        database = Database(self.plane.settings.effective_database_url)
        try:
            outbox, session = Outbox(database), self.caller.session["session_id"]

            async def asked() -> bool | None:
                return session in (await outbox.open_turns()).values() or None

            await self.caller.type("Here is a riddle.")
            await eventually(asked, _MET_WITHIN, "an open question")
        finally:
            await database.close()
        await self.fenced()
        await self.replaced()

    async def replaced(self) -> None:
        """What happens to a lease is slow: until there is another agent."""
        caller, first = self.caller, self.worker.jobs[self.agent_id][0].room.local_participant.sid

        def gone() -> bool:
            return bool(caller.agents) and all(one.sid != first for one in caller.agents)

        await caller.until(gone, "another agent")


_OF_A_RESET: Final = dict.fromkeys(
    ("StopSpeech", "CancelEpisodeTasks", "ClearHistory", "AcknowledgeReset"), Visit.reset
)
MEETS: Final[Mapping[str, Callable[[Visit], Awaitable[None]]]] = {
    **_OF_A_RESET,
    "lease": Visit.replaced,
    "notice": Visit.second_person,
    "AcknowledgeArrival": Visit.second_person,
    "forget": Visit.wish_to_forget,
    "Rescan": Visit.agents_connection_breaks,
    "Resume": Visit.persons_connection_breaks,
    "RebindAgent": Visit.switch,
    "Dropped": Visit.switch_of_one_who_leaves,
    "LeaveRoom": Visit.fenced,
    "take-up": Visit.replaced_with_a_question_open,
}
"""What must happen so that an entry is met; the others are in every visit."""


@dataclass
class Outcome:
    room: str = ""
    wrong: str = ""
    """Empty: the person was served."""
    at_first: str = ""
    """What was wrong with a visit before this one."""


@dataclass
class Walked:
    outcomes: dict[Wound, Outcome]
    lines: list[dict[str, Any]]
    """Of the reconnect log."""


def check(walked: Walked, wound: Wound) -> None:
    """The person was served, and what failed is on record under its name. A visit that was right only the second time
    fails once: where tests are run once more, that is how it is named."""
    outcome = walked.outcomes[wound]
    assert not outcome.wrong, outcome.wrong
    at_first, outcome.at_first = outcome.at_first, ""
    assert not at_first, at_first
    if wound.how is How.HANG:
        return  # it is given up later than the visit lasts, or seen by what waits for it
    failed = {
        line["fields"]["task"].rpartition(":")[2].partition("/")[0]: line["fields"]
        for line in walked.lines
        if line["event"] == LogEvent.TASK_FAILED and line["room"] == outcome.room
    }
    assert wound.entry in failed, f"nobody wrote down that it failed: {sorted(failed)}"
    assert failed[wound.entry]["code"]
    assert failed[wound.entry]["weight"] == RULES[wound.entry].weight.value


def walk_all(livekit: Settings, home: Path, wounds: Collection[Wound]) -> Walked:
    """Side by side, on the server that `livekit` names, with all else in `home`. Not within a running loop."""
    riddles = Failure("hang", times=100, user="riddle")
    rules = Rule(user="boat", reply=f"It is called {BOAT}."), Rule(reply="I see.")
    agents = (ANOTHER_AGENT, *(f"agent-{wound}" for wound in wounds))
    with world_of_jobs(livekit, home, agents, rules, riddles) as (settings, _):
        outcomes = asyncio.run(_walked(settings, wounds))
        return Walked(outcomes, [json.loads(line) for line in settings.reconnect_log.read_text().splitlines()])


async def _walked(settings: Settings, wounds: Collection[Wound]) -> dict[Wound, Outcome]:
    with wounds_possible():
        async with (
            control_plane(settings, apart=True) as plane,
            JobWorker(settings, load_vad(), capacity=100) as worker,
        ):
            outcomes = await walk(plane, worker, wounds)
            for wound in [wound for wound, outcome in outcomes.items() if outcome.wrong]:
                again = await walk(plane, worker, [wound])
                outcomes[wound] = replace(again[wound], at_first=outcomes[wound].wrong)
            return outcomes


async def walk(plane: ControlPlane, worker: JobWorker, wounds: Collection[Wound]) -> dict[Wound, Outcome]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(wound: Wound) -> Outcome:
        outcome = Outcome()
        async with gate:
            try:
                await _visit(plane, worker, wound, outcome)
            except Exception as error:  # noqa: BLE001 - of one visit: the others are walked all the same
                outcome.wrong = f"{type(error).__name__}: {error}"
        return outcome

    return dict(zip(wounds, await asyncio.gather(*map(one, wounds)), strict=True))


async def _visit(plane: ControlPlane, worker: JobWorker, wound: Wound, outcome: Outcome) -> None:
    agent_id = f"agent-{wound}"
    wounded = worker.wounded[agent_id] = Wounded(wound)
    worker.jobs.pop(agent_id, None)  # of a visit before this one
    session = await plane.open_session(agent_id=agent_id)
    outcome.room = session["room_name"]
    visit = Visit(plane, worker, wounded, agent_id, Caller(rtc.Room(), session, plane.http))
    try:
        await visit.caller.room.connect(session["server_url"], session["participant_token"])
        await visit.is_served()
        if (meets := MEETS.get(wound.entry)) is not None:
            await meets(visit)
        try:
            await asyncio.wait_for(wounded.hit.wait(), _MET_WITHIN)
        except TimeoutError:
            raise AssertionError(f"{wound.entry} was not started; as tasks: {sorted(wounded.as_task)}") from None
        await visit.is_served()
    finally:
        # Whoever is in a room when it is deleted keeps its native side for longer than we look after it.
        await visit.caller.hang_up()
        await worker.end_jobs_of(agent_id)
        await visit.caller.ask_the_server("DELETE", "")
