"""Child process that exits on a request, as often as its orders say; afterwards it answers."""

from __future__ import annotations

import os
from pathlib import Path
from socket import AF_UNIX, socket

from voice_agent.models.child_io import announce_ready, exit_with_parent, orders


def main() -> None:
    order = orders()
    exit_with_parent()
    path = Path(order["socket"])
    path.unlink(missing_ok=True)
    graves = path.with_suffix(".graves")
    deaths_left = int(graves.read_text()) if graves.exists() else order["deaths"]
    with socket(AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        announce_ready()
        while True:
            connection, _ = listening.accept()
            with connection, connection.makefile("rwb") as stream:
                while stream.readline().strip():
                    pass
                if deaths_left > 0:
                    graves.write_text(str(deaths_left - 1))
                    os._exit(1)
                stream.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


if __name__ == "__main__":
    main()
