"""Speakers: the person behind each participant, by what the server wrote into their token."""

from __future__ import annotations

from collections.abc import Mapping

from livekit import rtc

from voice_agent.contracts import AgentBinding, HumanAttribute, JobMetadata, MemoryScope, RoomPolicy
from voice_agent.registry.people import PersonKind, outlives_session


class Speakers:
    def __init__(self, room: rtc.Room, job: JobMetadata) -> None:
        self._room = room
        self._job = job
        self._known: dict[str, JobMetadata] = {}
        self._last_name = ""

    @property
    def _several(self) -> bool:
        return self._job.policy.of_several

    def about(self, identity: str) -> JobMetadata:
        """The job as if this speaker alone had asked for it: their person, name and session.

        In a shared room an unknown speaker counts as nobody, so that their words are not taken for another's: without a
        person, and with the room in the place of a session. In a room that others made everybody is a stranger, for one
        stay, whatever their token says.
        """
        participant = self._room.remote_participants.get(identity)
        if self._job.policy is RoomPolicy.ADOPTED:
            if participant is not None:
                person = f"{PersonKind.SESSION}:{participant.sid}"
                self._known[identity] = self._job.model_copy(update={"person_id": person})
        elif participant is not None and participant.attributes.get(HumanAttribute.PERSON_ID):
            self._known[identity] = self._told_of(participant.attributes)
        # A participant's last words may arrive after they have left.
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
        """Name of a participant who is called `present`: in a shared room the job's name is the first person's."""
        if self._job.policy is RoomPolicy.ADOPTED:
            return ""  # whatever a foreign token calls them
        self._last_name = present
        return present if self._several else self._job.user_name or present

    @property
    def expected_name(self) -> str:
        """Name of the person who most likely comes next: the greeting is synthesized ahead."""
        return self._last_name if self._several else self._job.user_name

    def narrowed(self, agent: AgentBinding, person_id: str) -> AgentBinding:
        """The binding for this person: of one known for the session only, nothing is kept beyond the transcript."""
        keeps = outlives_session(person_id)
        return agent if keeps else agent.model_copy(update={"memory_scope": MemoryScope.READ_ONLY})


def nobody(job: JobMetadata) -> JobMetadata:
    """The job of a room of several people without a known speaker. That of an adopted room names nobody anyway."""
    if job.policy is RoomPolicy.ADOPTED:
        return job
    gone = {"person_id": "", "session_id": job.room_name, "user_id": "", "user_name": ""}
    return job.model_copy(update=gone)
