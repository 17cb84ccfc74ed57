"""Generator of docs/lifecycle.md from the table; a test fails when the two differ.

python -m voice_agent.lifecycle.diagram > docs/lifecycle.md
"""

from __future__ import annotations

import sys
from typing import Final

from voice_agent.lifecycle import table
from voice_agent.lifecycle.states import State
from voice_agent.lifecycle.table import TRANSITIONS, Trigger

_HEAD: Final = """# The life of an assistant

Generated from `voice_agent/lifecycle/table.py` by `python -m voice_agent.lifecycle.diagram`. Do not edit.

{essay}

## Transitions

Leaving (room disconnected, lease lost, shutdown, failure) is possible from every state that is alive and is not drawn.

```mermaid
stateDiagram-v2
{arrows}
```

## What is accepted without a change of state

{stays}

## Invariants

1. At most one agent speaks in a room.
2. A room with a human has a ready, answering agent within the bound.
3. Every finished turn in a writable scope reaches Letta exactly once, in order.
4. After a reset no task of the old episode lives, local history is empty, the snapshot was loaded after the reset began
   or is marked stale.
5. Nothing of an older episode is applied.
6. One greeting per arrival into an empty room, none for who lost the connection and is back in time; nothing is spoken
   to an empty room.
7. An occupied room is never closed, idled out or evicted.
8. A hundred cycles later: the same number of tasks, tracks, processes, file handles, and flat memory.

`voice-agent replay` checks what a log can show of 1–7; the numbers in its messages are these.
"""

_ALWAYS: Final = (Trigger.ROOM_DISCONNECTED, Trigger.LEASE_LOST, Trigger.SHUTDOWN, Trigger.FAILURE)


def _arrows() -> str:
    lines = [f"    [*] --> {State.STARTING.name}"]
    for state, row in TRANSITIONS.items():
        by_target: dict[State, list[Trigger]] = {}
        for trigger, target in row.items():
            if target is not state and trigger not in _ALWAYS:
                by_target.setdefault(target, []).append(trigger)
        lines += [f"    {state.name} --> {to.name}: {' · '.join(triggers)}" for to, triggers in by_target.items()]
    for leaving in (State.DRAINING, State.FAILED):
        lines.append(f"    {leaving.name} --> {State.CLOSED.name}: {Trigger.ROOM_DISCONNECTED}")
    return "\n".join([*lines, f"    {State.CLOSED.name} --> [*]"])


def _stays() -> str:
    rows = ["| state | triggers |", "|---|---|"]
    for state, row in TRANSITIONS.items():
        rows.append(f"| {state.name} | {' · '.join(trigger for trigger, target in row.items() if target is state)} |")
    return "\n".join(rows)


def document() -> str:
    essay = (table.__doc__ or "").split("\n\n", 1)[1].strip()
    # The states, indented in the docstring, become a code block in Markdown on purpose.
    return _HEAD.format(essay=essay, arrows=_arrows(), stays=_stays())


if __name__ == "__main__":
    sys.stdout.write(document())
