"""Who speaks: the person behind a participant, by what the server wrote into their token."""

from __future__ import annotations

from livekit import rtc

from voice_agent.contracts import AgentBinding, HumanAttribute, JobMetadata, MemoryScope, RoomPolicy
from voice_agent.registry.people import outlives_session


class Speakers:
    def __init__(self, room: rtc.Room, job: JobMetadata) -> None:
        self._room = room
        self._job = job
        self._known: dict[str, str] = {}
        self._last_name = ""

    @property
    def _several(self) -> bool:
        return self._job.policy is RoomPolicy.SHARED

    def person_of(self, identity: str) -> str:
        """Empty: nobody who is known, whose words must not be taken for another's."""
        participant = self._room.remote_participants.get(identity)
        if participant is not None and (told := participant.attributes.get(HumanAttribute.PERSON_ID)):
            self._known[identity] = told
        # The last words of somebody may arrive after they have left.
        return self._known.get(identity) or ("" if self._several else self._job.person_id)

    def name_of(self, present: str) -> str:
        """How to call somebody who is there under the name `present`: the job's name is that of who came first."""
        self._last_name = present
        return present if self._several else self._job.user_name or present

    @property
    def expected_name(self) -> str:
        """Of who most likely comes next: the sound of the greeting is made ahead."""
        return self._last_name if self._several else self._job.user_name

    def narrowed(self, agent: AgentBinding, person_id: str) -> AgentBinding:
        """The binding for what this person says: of who ends with the session nothing is kept beyond the transcript."""
        return (
            agent if outlives_session(person_id) else agent.model_copy(update={"memory_scope": MemoryScope.READ_ONLY})
        )
