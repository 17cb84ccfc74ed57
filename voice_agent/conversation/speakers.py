"""Who speaks: the person behind a participant, by what the server wrote into their token."""

from __future__ import annotations

from collections.abc import Mapping

from livekit import rtc

from voice_agent.contracts import AgentBinding, HumanAttribute, JobMetadata, MemoryScope, RoomPolicy
from voice_agent.registry.people import outlives_session


class Speakers:
    def __init__(self, room: rtc.Room, job: JobMetadata) -> None:
        self._room = room
        self._job = job
        self._known: dict[str, JobMetadata] = {}
        self._last_name = ""

    @property
    def _several(self) -> bool:
        return self._job.policy is RoomPolicy.SHARED

    def about(self, identity: str) -> JobMetadata:
        """The job as if this speaker alone had asked for it: their person, name and session.

        Who is not known is nobody among several people, whose words must not be taken for another's: without a person,
        and with the room in the place of a session.
        """
        participant = self._room.remote_participants.get(identity)
        if participant is not None and participant.attributes.get(HumanAttribute.PERSON_ID):
            self._known[identity] = self._told_of(participant.attributes)
        # The last words of somebody may arrive after they have left.
        return self._known.get(identity) or self._unknown

    @property
    def _unknown(self) -> JobMetadata:
        return nobody(self._job) if self._several else self._job

    def _told_of(self, attributes: Mapping[str, str]) -> JobMetadata:
        unknown = self._unknown
        told = {
            "person_id": attributes[HumanAttribute.PERSON_ID],
            "session_id": attributes.get(HumanAttribute.SESSION_ID) or unknown.session_id,
            "business_id": attributes.get(HumanAttribute.BUSINESS_ID, ""),
            "user_id": attributes.get(HumanAttribute.USER_ID, ""),
            "user_name": attributes.get(HumanAttribute.USER_NAME, ""),
        }
        return self._job.model_copy(update=told)

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
        keeps = outlives_session(person_id)
        return agent if keeps else agent.model_copy(update={"memory_scope": MemoryScope.READ_ONLY})


def nobody(job: JobMetadata) -> JobMetadata:
    """The job of a room of several people, as long as nobody speaks."""
    gone = {"person_id": "", "session_id": job.room_name, "user_id": "", "user_name": ""}
    return job.model_copy(update=gone)
