"""Supervision of one job: its tasks by owner, the handling of their failures, and notices to the people in the room."""

from __future__ import annotations

from voice_agent.contracts import LogEvent, Notice, RecallNote, Weight
from voice_agent.conversation.announcer import Announcer
from voice_agent.conversation.criticality import as_ours, rule_of
from voice_agent.conversation.driver import Driver
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.errors import VoiceAgentError
from voice_agent.lifecycle import events as ev
from voice_agent.observe.journal import Journal


class Notices:
    """Notices to people, sent to the room beside the conversation."""

    def __init__(self, journal: Journal, announcer: Announcer, tasks: OwnedTasks) -> None:
        self._journal = journal
        self._announcer = announcer
        self._tasks = tasks

    def notify(self, notice: Notice, to: str = "") -> None:
        """Send to all, or to the participant with this identity."""
        self._journal.write(LogEvent.NOTICE, severity=notice.level, code=notice.code)
        self._tasks.start("notice", self._announcer.notify(notice, to))

    def show_recalled(self, note: RecallNote, to: str) -> None:
        """Send to the participant with this identity, whose facts they are."""
        self._tasks.start("recall-note", self._announcer.show_recalled(note, to))


class Supervision:
    def __init__(self, driver: Driver, announcer: Announcer) -> None:
        self._driver = driver
        self.job_tasks = OwnedTasks("job", self.failed)
        self.episode_tasks = OwnedTasks("episode", self.failed)
        self.turn_tasks = OwnedTasks("turns", self.failed)
        self.notices = Notices(driver.journal, announcer, self.job_tasks)
        self.failure: VoiceAgentError | None = None
        """Why the assistant cannot go on: the first reason counts."""

    def failed(self, task: str, error: BaseException) -> None:
        """Handle the failure of a task or an effect by its rule in criticality.py."""
        rule, known = rule_of(task), as_ours(task, error)
        journal = self._driver.journal
        journal.write(LogEvent.TASK_FAILED, task=task, weight=rule.weight.value, **known.as_dict())
        if rule.weight is Weight.ESSENTIAL:
            self.fail(known)
        elif rule.said:
            self.notices.notify(
                Notice(
                    level="warning",
                    code=known.code,
                    message=rule.said,
                    remedy=known.remedy,
                    episode=self._driver.machine.episode,
                )
            )

    def fail(self, error: VoiceAgentError) -> None:
        """Make the assistant leave; its lease says why."""
        self.failure = self.failure or error
        self._driver.tell(ev.Failure(error.code, error.message))
