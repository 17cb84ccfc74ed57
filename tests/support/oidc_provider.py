"""A small OpenID Connect provider, in a process of its own: it really signs its tokens, and can be told to err.

Run as `python -m tests.support.oidc_provider PORT`. `POST /tell` with `{"sub": …, "name": …, "mistake": …}` decides who
signs in next and what is wrong with it.
"""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from tests.support.eventually import PATIENCE, eventually
from voice_agent.stack.ports import free_port

CLIENT_ID, CLIENT_SECRET = "voice-agent-tests", "the secret of a client"
MISTAKES = (
    "nonce",
    "audience",
    "azp",
    "expired",
    "issuer",
    "foreign key",
    "hs256",
    "unsigned",
    "no subject",
    "no token",
)


class Provider:
    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.told: dict[str, str] = {"sub": "anna-at-the-provider", "name": "Anna", "mistake": ""}
        self.codes: dict[str, dict[str, str]] = {}
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256", "use": "sig"})
        self.other_key = RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256", "use": "sig"})

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": "http://127.0.0.1:1/other" if self.told["mistake"] == "configuration" else self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }

    def authorize(self, asked: dict[str, str]) -> str:
        wanted = {"client_id": CLIENT_ID, "response_type": "code", "code_challenge_method": "S256"}
        assert wanted.items() <= asked.items(), asked
        assert "openid" in asked["scope"].split()
        if self.told["mistake"] == "denied":
            return f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked | self.told
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, body: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        asked = self.codes.pop(body.get("code", ""), None)
        if asked is None or authorization != f"Basic {basic}" or body.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if create_s256_code_challenge(body.get("code_verifier", "")) != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        if asked["mistake"] == "no token":
            return 200, {"access_token": "x", "token_type": "Bearer"}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.id_token(asked)}

    def id_token(self, asked: dict[str, str]) -> str:
        now, mistake = int(time.time()), asked["mistake"]
        claims: dict[str, Any] = {
            "iss": "https://elsewhere.example" if mistake == "issuer" else self.issuer,
            "sub": "" if mistake == "no subject" else asked["sub"],
            "aud": "another client" if mistake in ("audience", "azp") else CLIENT_ID,
            "exp": now - 3600 if mistake == "expired" else now + 600,
            "iat": now - 7200 if mistake == "expired" else now,
            "nonce": "another" if mistake == "nonce" else asked["nonce"],
            "name": asked["name"],
            "email": "anna@example.org",
        }
        if mistake == "azp":
            claims["azp"] = CLIENT_ID
        if mistake == "unsigned":
            parts = ({"alg": "none"}, claims)
            return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."
        if mistake == "hs256":  # anybody who knows the client's secret could have signed it
            known = OctKey.import_key(CLIENT_SECRET.ljust(32), {"kid": "k1"})
            return str(jwt.encode({"alg": "HS256", "kid": "k1"}, claims, known, algorithms=["HS256"]))
        key = self.other_key if mistake == "foreign key" else self.key
        return str(jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key, algorithms=["RS256"]))


def handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            if address.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif address.path == "/jwks":
                self._send(200, {"keys": [provider.key.as_dict(private=False)]})
            elif address.path == "/.well-known/openid-configuration":
                self._send(200, provider.configuration())
            else:
                self._send(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if self.path == "/tell":
                provider.told |= json.loads(body)
                self._send(200, {})
                return
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._send(*provider.token(form, self.headers.get("Authorization") or ""))

        def _send(self, status: int, document: dict[str, Any]) -> None:
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """No log."""

    return Handler


@dataclass(frozen=True)
class RunningProvider:
    issuer: str
    process: subprocess.Popen[bytes]

    def tell(self, **what: str) -> None:
        httpx.post(f"{self.issuer}/tell", json=what, trust_env=False).raise_for_status()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)


@contextmanager
def running_provider() -> Iterator[RunningProvider]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.support.oidc_provider", str(port)])
    issuer = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{issuer}/jwks", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        assert eventually(answers, bool, within=PATIENCE)
        yield RunningProvider(issuer, process)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler(Provider(int(sys.argv[1])))).serve_forever()
