"""Launcher of the Letta server, run by Letta's own Python, never imported: suppresses the banner with the password."""

import contextlib
import io
import sys

with contextlib.redirect_stdout(io.StringIO()):
    from letta.server.rest_api import app  # type: ignore[import-not-found]

app.start_server(host=sys.argv[1], port=int(sys.argv[2]))
