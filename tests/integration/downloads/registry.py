"""A registry of our own that pip and npm really talk to."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


def wheel(name: str, members: Mapping[str, bytes]) -> bytes:
    buffer, info = io.BytesIO(), f"{name}-1.0.dist-info"
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


def tarball(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member, content in members.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Registry:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.served: Counter[str] = Counter()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = registry.answer(self.path)
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Type", "application/json" if "/npm/" in self.path else "text/html")
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="registry", daemon=True)

    def publish_wheel(self, name: str, members: Mapping[str, bytes]) -> None:
        self.files[f"{name}-1.0-py3-none-any.whl"] = wheel(name, members)

    def publish_npm(self, name: str, members: Mapping[str, bytes]) -> None:
        self.files[f"{name}-1.0.0.tgz"] = tarball(
            {"package/package.json": json.dumps({"name": name, "version": "1.0.0"}).encode(), **members}
        )

    def answer(self, path: str) -> bytes | None:
        *_, kind, name = path.strip("/").split("/")
        match kind:
            case "files":
                self.served[name] += 1
                return self.files.get(name)
            case "simple":
                wheels = [file for file in self.files if file.startswith(f"{name.replace('-', '_')}-")]
                return "".join(f'<a href="{self.url}/files/{file}">{file}</a>' for file in wheels).encode()
            case "npm":
                return self._npm(name)
            case _:
                return None

    def _npm(self, name: str) -> bytes | None:
        content = self.files.get(f"{name}-1.0.0.tgz")
        if content is None:
            return None
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        dist = {"tarball": f"{self.url}/files/{name}-1.0.0.tgz", "integrity": integrity}
        version = {"name": name, "version": "1.0.0", "dist": dist}
        return json.dumps({"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}).encode()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
