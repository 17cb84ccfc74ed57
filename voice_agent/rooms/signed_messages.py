"""Signed messages from the control plane to an agent: a data packet without a sending participant proves nothing."""

from __future__ import annotations

import hashlib
import hmac
import json

from pydantic import ValidationError

from voice_agent.contracts import ControlMessage


def sign(order: ControlMessage, room: str, secret: str) -> bytes:
    body = order.model_dump_json()
    return json.dumps({"body": body, "seal": _mac(body, room, secret)}).encode()


def verify(data: bytes, room: str, secret: str) -> ControlMessage | None:
    """None: not signed by us, or not for this room."""
    try:
        envelope = json.loads(data)
        body, found = str(envelope["body"]), str(envelope["seal"])
        if not hmac.compare_digest(found.encode(), _mac(body, room, secret).encode()):
            return None
        return ControlMessage.model_validate_json(body)
    except (ValueError, KeyError, TypeError, ValidationError):
        return None


def _mac(body: str, room: str, secret: str) -> str:
    return hmac.new(secret.encode(), f"{room}\n{body}".encode(), hashlib.sha256).hexdigest()
