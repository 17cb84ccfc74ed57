"""Export of a person: all records as one document, and as text. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from voice_agent.memory.facts.fact import UNDATED, Fact, FactState
from voice_agent.memory.model import Turn
from voice_agent.registry.model import Profile, Session
from voice_agent.rooms.person_records import PersonRecords
from voice_agent.web.errors import ErrorBody
from voice_agent.web.schemas import (
    ExportedFact,
    ExportedNote,
    ExportedSession,
    ExportedTurn,
    PersonExport,
    iso,
    profile_item,
)


def exported(profile: Profile, records: PersonRecords, names: Mapping[str, str], at: datetime) -> PersonExport:
    """`names`: Letta agent id → name of the assistant."""
    called = {session.letta_agent_id: session.agent_name for session in records.sessions} | dict(names)
    return PersonExport(
        exported_at=iso(at.timestamp()),
        person=profile_item(profile),
        known_since=None if profile.known_since is None else iso(profile.known_since),
        sessions=_sessions(records, called),
        facts=[_fact(fact, called) for fact in records.facts],
        notes=[
            ExportedNote(agent=called.get(note.letta_agent_id, note.letta_agent_id), text=note.text)
            for note in records.notes
        ],
        incomplete=ErrorBody(**records.unread.as_dict()) if records.unread else None,
    )


def as_text(export: PersonExport) -> str:
    person = export.person
    lines = [f"What is kept about {person.user_name or person.person_id}", f"Person: {person.person_id}"]
    lines += [f"Exported: {export.exported_at}", "", f"Facts ({len(export.facts)})"]
    for fact in export.facts:
        source = f"session {fact.session_id}" if fact.session_id else fact.source.value
        marks = "; corrected since" if fact.replaced else ""
        lines.append(f"- {fact.text} ({fact.agent}, {fact.said_at or 'without a date'}, {source}{marks})")
    for note in export.notes:
        lines += ["", f"Noted by {note.agent}", note.text]
    if export.incomplete:
        lines += ["", f"The notes of the assistants are missing: {export.incomplete.message}"]
    for session in export.sessions:
        lines += ["", f"Conversation with {session.agent}, {session.began_at or 'not kept any more'}"]
        lines.append(f"Session: {session.session_id}")
        for turn in session.turns:
            lines.append(f"{turn.said_at or ''} {turn.speaker or person.user_name or 'You'}: {turn.said}".strip())
            if turn.answer:
                lines.append(f"{session.agent}: {turn.answer}{' …' if turn.interrupted else ''}")
    return "\n".join(lines) + "\n"


def _sessions(records: PersonRecords, names: Mapping[str, str]) -> list[ExportedSession]:
    """With one entry for each session that turns name, also when the session is not kept, or is somebody else's."""
    opened = {session.id: session for session in records.sessions}
    turns: dict[str, list[Turn]] = {session_id: [] for session_id in opened}
    for turn in records.turns:
        turns.setdefault(turn.session_id, []).append(turn)
    return [_session(session_id, opened.get(session_id), said, names) for session_id, said in turns.items()]


def _session(
    session_id: str, session: Session | None, turns: Sequence[Turn], names: Mapping[str, str]
) -> ExportedSession:
    agent = session.letta_agent_id if session else turns[0].letta_agent_id
    return ExportedSession(
        session_id=session_id,
        agent=session.agent_name if session else names.get(agent, agent),
        began_at=iso(session.created_at) if session else None,
        ended_at=iso(session.ended_at) if session and session.ended_at is not None else None,
        user_name=session.person.user_name if session else "",
        user_email=session.person.user_email if session else "",
        turns=[_turn(turn) for turn in turns],
    )


def _turn(turn: Turn) -> ExportedTurn:
    return ExportedTurn(
        said_at=iso(turn.created_at.timestamp()) if turn.created_at else None,
        speaker=turn.speaker,
        said=turn.user_text,
        answer=turn.assistant_text,
        interrupted=turn.interrupted,
    )


def _fact(fact: Fact, names: Mapping[str, str]) -> ExportedFact:
    return ExportedFact(
        fact_id=fact.fact_id,
        agent=names.get(fact.letta_agent_id, fact.letta_agent_id),
        text=fact.text,
        said_at="" if fact.said_at == UNDATED else iso(fact.said_at.timestamp()),
        session_id=fact.session_id,
        said=fact.said,
        source=fact.source,
        replaced=fact.state is FactState.REPLACED,
    )
