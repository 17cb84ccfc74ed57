"""Print the reconnect log as it is written: who came and left, and what the assistants did about it.

    python examples/follow_events.py
    python examples/follow_events.py --session SESSION_ID --secret RESUME_SECRET

All events need administration rights: the admin secret, where there is one. A session's secret shows that session.
After a lost connection it goes on behind the last line that it printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx

RETRY = 1.0
SILENCE = 40.0
"""Seconds. The server sends a comment after 15 s without an event."""


def follow(url: str, session: str, secret: str) -> Iterator[dict[str, Any]]:
    asked = {"session": session} if session else {}
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    while True:
        try:
            timeout = httpx.Timeout(10.0, read=SILENCE)
            with (
                httpx.Client(base_url=url, timeout=timeout, trust_env=False) as api,
                api.stream("GET", "/events", params=asked, headers=headers) as answer,
            ):
                check(answer)
                position = ""
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if name == "id":
                        position = value
                    elif name == "data":
                        yield json.loads(value)
                        headers["Last-Event-ID"] = position
        except httpx.TransportError as error:
            print(f"no connection ({type(error).__name__}), trying again", file=sys.stderr, flush=True)
        time.sleep(RETRY)


def check(answer: httpx.Response) -> None:
    """What is only so for now (429, 503) is tried again."""
    if answer.is_error and answer.status_code not in (429, 503):
        answer.read()
        error = answer.json()["error"]
        sys.exit(f"{error['message']} [{error['code']}] {error['remedy']}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Print the reconnect log as it is written.")
    options.add_argument("--url", default="http://127.0.0.1:9000", help="where the page is")
    options.add_argument("--session", default="", help="only this session")
    options.add_argument("--secret", default="", help="the admin secret, or the session's")
    given = options.parse_args()
    try:
        for event in follow(given.url, given.session, given.secret):
            details = json.dumps(event.get("fields") or {}, ensure_ascii=False)
            print(event["time"], event.get("room") or "-", event["event"], details, flush=True)
    except KeyboardInterrupt:
        sys.exit(130)
