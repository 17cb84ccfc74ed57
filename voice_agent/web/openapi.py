"""docs/openapi.json: what GET /openapi.json answers, for who reads it or generates a client without a running server.

`python -m voice_agent.web.openapi` prints it.
"""

from __future__ import annotations

import json
import sys

from voice_agent.settings import Settings
from voice_agent.web.app import create_app


def document() -> str:
    app = create_app(Settings(), lambda _error: None)
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
