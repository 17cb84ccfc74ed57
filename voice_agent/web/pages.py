"""Page and its static files. A file under a path with the tree's hash may be cached for ever; nothing is secret."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from voice_agent.data_files import STATIC
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.web.auth import ServicesDep

PAGE: Final = "voice-agent-selector.html"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"

router = APIRouter(include_in_schema=False)


class Pages:
    """Static files as they are now; the hash of all of them is part of every URL in the page."""

    def __init__(self, root: Path = STATIC) -> None:
        self.root = root.resolve()

    def digest(self) -> str:
        state = hashlib.sha256()
        for path in sorted(p for p in self.root.rglob("*") if p.is_file()):
            state.update(f"{path.relative_to(self.root)}\0".encode())
            state.update(path.read_bytes())
        return state.hexdigest()[:16]

    def page(self) -> str:
        return (self.root / PAGE).read_text("utf-8").replace('"/static/', f'"/static/@{self.digest()}/')

    def file(self, relative: str) -> Path:
        path = (self.root / relative).resolve()
        if not path.is_relative_to(self.root) or not path.is_file():
            raise Permanent(Code.NOT_FOUND, "There is no such file.")
        return path


@router.get("/")
@router.get("/talk/{assistant}")
@router.get("/conversations")
@router.get("/conversations/{conversation}")
def index() -> HTMLResponse:
    """The page itself reads what its address names (static/selector/places.js)."""
    return HTMLResponse(Pages().page(), headers={"Cache-Control": _ASK_AGAIN})


@router.get("/static/{path:path}")
def static(path: str) -> Response:
    hashed = path.startswith("@") and "/" in path
    file = Pages().file(path.split("/", 1)[1] if hashed else path)
    return FileResponse(file, headers={"Cache-Control": _FOR_EVER if hashed else _ASK_AGAIN})


@router.get("/vendor/livekit-client.esm.mjs")
def livekit_client(services: ServicesDep) -> Response:
    file = services.settings.livekit_client
    if not file.is_file():
        raise Temporary(Code.NOT_READY, "livekit-client is not downloaded yet.", "Run 'voice-agent up' once.")
    return FileResponse(file, media_type="text/javascript", headers={"Cache-Control": _ASK_AGAIN})


mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("text/javascript", ".js")
