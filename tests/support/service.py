"""A small real service for the supervisor to keep: python service.py PORT [--delay S] [--stubborn] [--child FILE]…"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    received: Path | None = None

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.received:
            with self.received.open("a") as file:
                file.write(f"{self.path} {self.headers['Authorization']} {body.decode()}\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--host", default="127.0.0.1", help="where it listens")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before it listens")
    parser.add_argument("--stubborn", action="store_true", help="ignores SIGTERM")
    parser.add_argument("--child", type=Path, help="starts a child in a session of its own and writes its pid there")
    parser.add_argument("--received", type=Path, help="writes every POST there")
    parser.add_argument("--fail-once-there-is", type=Path, help="exits with 3 as soon as that file exists")
    parser.add_argument("--standby", action="store_true", help="waits for a line of its input first")
    arguments = parser.parse_args()
    if arguments.standby and not sys.stdin.readline():
        return
    print("service starts", flush=True)
    if arguments.fail_once_there_is and arguments.fail_once_there_is.exists():
        print("service refuses", flush=True)
        sys.exit(3)
    if arguments.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if arguments.child:
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        arguments.child.write_text(str(child.pid))
    time.sleep(arguments.delay)
    Handler.received = arguments.received
    HTTPServer((arguments.host, arguments.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
