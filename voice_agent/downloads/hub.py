"""Client of a model hub: one file of one commit by HTTP. An interrupted download goes on where it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

import httpx

from voice_agent.downloads.artifact import MEGABYTE, Place
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.outbound import tls

CONNECT_WITHIN: Final = 5.0
STALLED_AFTER: Final = 30.0
SLOW_FOR: Final = 60.0
SLOWEST: Final = 50_000
"""Bytes a second; a hub that stays below this for SLOW_FOR seconds is given up, so that another place is tried."""
CHUNK: Final = 1 << 18
_REMEDY: Final = "Check the network and VOICE_MODEL_HUB, and try again; what has arrived is kept."


def download(place: Place, target: Path, hub: str, size: int, on_bytes: Callable[[int], None]) -> Path:
    """Download the file, which has `size` bytes, to `target`. Its hash is the caller's to check."""
    partial = target.with_suffix(".partial")
    here = partial.stat().st_size if partial.is_file() else 0
    if here < size:
        try:
            _receive(place, partial, here, hub, size, on_bytes)
        except (httpx.TransportError, httpx.InvalidURL, httpx.TooManyRedirects) as error:
            # Without the error's text: a redirect's URL may hold a signature.
            raise Temporary(
                Code.DOWNLOAD_FAILED, f"{place} could not be downloaded ({type(error).__name__}).", _REMEDY
            ) from None
    partial.rename(target)
    return target


def _receive(place: Place, partial: Path, here: int, hub: str, size: int, on_bytes: Callable[[int], None]) -> None:
    url = f"{hub.rstrip('/')}/{quote(place.package)}/resolve/{quote(place.version)}/{quote(place.member)}"
    # Compressed bytes would be of no use for going on later.
    wanted = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={here}-"} if here else {})
    timeout = httpx.Timeout(STALLED_AFTER, connect=CONNECT_WITHIN)
    with (
        httpx.Client(verify=tls(), timeout=timeout, follow_redirects=True) as client,
        client.stream("GET", url, headers=wanted) as answer,
    ):
        if answer.status_code not in (200, 206):
            raise Temporary(Code.DOWNLOAD_FAILED, f"{place}: the hub answered {answer.status_code}.", _REMEDY)
        with partial.open("ab" if answer.status_code == 206 else "wb") as out:
            _copy(answer, out, place, size, on_bytes)


def _copy(answer: httpx.Response, out: IO[bytes], place: Place, size: int, on_bytes: Callable[[int], None]) -> None:
    began, before = time.monotonic(), out.tell()
    for chunk in answer.iter_bytes(CHUNK):
        out.write(chunk)
        if out.tell() > size:
            out.truncate(0)
            message = f"{place} is larger than the {size / MEGABYTE:.0f} MB that it should be."
            raise Permanent(Code.MODEL_CORRUPT, message, "Check VOICE_MODEL_HUB. The bytes were discarded.")
        on_bytes(out.tell())
        if (took := time.monotonic() - began) > SLOW_FOR:
            if out.tell() - before < SLOWEST * took:
                raise Temporary(Code.DOWNLOAD_FAILED, f"{place} comes too slowly from the hub.", _REMEDY)
            began, before = time.monotonic(), out.tell()
    if out.tell() < size:
        raise Temporary(Code.DOWNLOAD_FAILED, f"{place}: the download broke off.", _REMEDY)
