"""OpenID Connect provider: discovery, authorization code flow with PKCE, and the check of its ID token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx
from authlib.common.security import generate_token
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.outbound import tls
from voice_agent.registry.sign_ins import Attempt

_DEADLINE: Final = 10.0
_SKEW: Final = 60
"""Seconds by which the provider's clock may differ."""
_ASYMMETRIC: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_SCOPE: Final = "openid profile"


@dataclass(frozen=True, slots=True)
class Identity:
    issuer: str
    subject: str
    name: str
    """As the provider has it; empty: it told none."""


class OidcProvider:
    def __init__(self, issuer: str, client_id: str, client_secret: str) -> None:
        self._issuer = issuer.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret

    async def begin(self, redirect_uri: str) -> tuple[str, Attempt]:
        """The URL to which the browser is sent, and what its answer has to fit."""
        attempt = Attempt(generate_token(32), generate_token(32), generate_token(64))
        async with self._http() as http:
            metadata = await self._metadata(http)
        url = prepare_grant_uri(
            metadata["authorization_endpoint"],
            client_id=self._client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=_SCOPE,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.code_verifier),
            code_challenge_method="S256",
        )
        return str(url), attempt

    async def finish(self, attempt: Attempt, code: str, redirect_uri: str) -> Identity:
        """Exchanges the code for an ID token and checks it."""
        async with self._http() as http:
            metadata = await self._metadata(http)
            token = await self._token(http, metadata, attempt, code, redirect_uri)
            keys = await self._get(http, metadata["jwks_uri"], "keys")
        claims = self._claims(metadata, keys, token, attempt.nonce)
        name = claims.get("name")
        return Identity(metadata["issuer"], str(claims["sub"]), name if isinstance(name, str) else "")

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=_DEADLINE, trust_env=False, follow_redirects=False, verify=tls())

    async def _metadata(self, http: httpx.AsyncClient) -> Mapping[str, Any]:
        found = await self._get(http, f"{self._issuer}/.well-known/openid-configuration", "configuration")
        if str(found.get("issuer", "")).rstrip("/") != self._issuer:
            raise _refused("The provider's configuration names another issuer.", "Correct VOICE_OIDC_ISSUER.")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            url = found.get(name)
            if not isinstance(url, str) or not url.startswith(("https://", f"{self._issuer}/")):
                raise _refused(f"The provider's configuration has no usable {name}.", "Check the provider.")
        return found

    async def _get(self, http: httpx.AsyncClient, url: str, what: str) -> dict[str, Any]:
        try:
            answer = await http.get(url)
        except httpx.HTTPError as error:
            raise _away(f"The provider does not answer ({type(error).__name__}).") from error
        return _document(answer, what)

    async def _token(
        self, http: httpx.AsyncClient, metadata: Mapping[str, Any], attempt: Attempt, code: str, redirect_uri: str
    ) -> str:
        endpoint = metadata["token_endpoint"]
        body = prepare_token_request(
            "authorization_code", redirect_uri=redirect_uri, code=code, code_verifier=attempt.code_verifier
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        client = ClientAuth(self._client_id, self._client_secret, self._method(metadata))
        url, headers, body = client.prepare("POST", endpoint, headers, body)
        try:
            answer = await http.post(url, data=dict(parse_qsl(body)), headers=headers)
        except httpx.HTTPError as error:
            raise _away(f"The provider does not answer ({type(error).__name__}).") from error
        if answer.is_client_error:
            raise _refused(
                "The provider did not take the code.", "Sign in again; if it stays, check the client's secret."
            )
        token = _document(answer, "token").get("id_token")
        if not isinstance(token, str):
            raise _refused("The provider sent no ID token.", "Check that the client may use the scope openid.")
        return token

    def _method(self, metadata: Mapping[str, Any]) -> str:
        if not self._client_secret:
            return "none"
        allowed = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return "client_secret_basic" if "client_secret_basic" in allowed else "client_secret_post"

    def _claims(self, metadata: Mapping[str, Any], keys: dict[str, Any], token: str, nonce: str) -> Mapping[str, Any]:
        # Never a symmetric one: whoever knows the client's secret, or a public key, could sign.
        named = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        algorithms = [one for one in named if one in _ASYMMETRIC]
        expected: dict[str, Any] = {
            "iss": {"essential": True, "value": metadata["issuer"]},
            "aud": {"essential": True, "value": self._client_id},
        }
        try:
            registry = JWSRegistry(algorithms=algorithms, strict_check_header=False)
            decoded = jwt.decode(token, KeySet.import_key_set(keys), registry=registry)  # type: ignore[arg-type]
            params = {"nonce": nonce, "client_id": self._client_id}
            claims = CodeIDToken(decoded.claims, decoded.header, expected, params)
            claims.validate(leeway=_SKEW)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise _refused(f"The provider's ID token is not valid ({_why(error)}).", "Sign in again.") from error
        found: Mapping[str, Any] = claims
        if not isinstance(found.get("sub"), str) or not found["sub"]:
            raise _refused("The provider's ID token names nobody.", "Check the provider.")
        return found


def _why(error: Exception) -> str:
    claim = getattr(error, "claim", "")
    return f"{type(error).__name__}: {claim}" if claim else type(error).__name__


def _document(answer: httpx.Response, what: str) -> dict[str, Any]:
    try:
        found = answer.json() if answer.is_success else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _away(f"The provider sent no {what} (HTTP {answer.status_code}).")
    return found


def _away(message: str) -> Temporary:
    return Temporary(Code.SIGN_IN_UNAVAILABLE, message, "Try again later; if it stays, check VOICE_OIDC_ISSUER.")


def _refused(message: str, remedy: str) -> Permanent:
    return Permanent(Code.SIGN_IN_FAILED, message, remedy)
