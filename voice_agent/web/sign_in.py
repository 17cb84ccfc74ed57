"""Routes of signing in at the OpenID Connect provider, and of the browser's session."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Cookie, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from voice_agent.addresses import host_name, is_loopback
from voice_agent.contracts import LogEvent
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.registry.sign_ins import ATTEMPT_FOR, SIGNED_IN_FOR, signed_in_user
from voice_agent.registry.texts import name_of_person
from voice_agent.web.auth import AnyCaller, ServicesDep, audit, limited
from voice_agent.web.errors import documented
from voice_agent.web.schemas import SignInStanding, profile_item
from voice_agent.web.services import Services
from voice_agent.web.sessions import not_cached
from voice_agent.web.signed_in import COOKIE, SignedIn

if TYPE_CHECKING:
    from voice_agent.web.oidc import Identity, OidcProvider

router = APIRouter(tags=["people"], dependencies=[Depends(not_cached)])

CALLBACK: Final = "/sign-in/callback"
_ATTEMPT: Final = "va_sign_in"
_TEXT: Final = Query(max_length=4096)


@router.get("/sign-in")
async def read_sign_in(services: ServicesDep, person: SignedIn) -> SignInStanding:
    """Whether one can sign in here, and who this browser is signed in as."""
    profile = await services.people.profile(person) if person else None
    return SignInStanding(available=services.oidc is not None, person=profile_item(profile) if profile else None)


@router.get(
    "/sign-in/start",
    status_code=303,
    response_class=RedirectResponse,
    response_model=None,
    dependencies=[Depends(limited)],
    responses=documented(404, 429),
)
async def start(services: ServicesDep, request: Request) -> RedirectResponse:
    """Send the browser to the provider."""
    try:
        provider = _provider(services)
        url, attempt = await provider.begin(_redirect_uri(request))
        secret = await services.sign_ins.begin(attempt)
    except VoiceAgentError as error:
        return _failed(services, error)
    answer = RedirectResponse(url, 303)
    _set(answer, request, _ATTEMPT, secret, ATTEMPT_FOR)
    return answer


@router.get(CALLBACK, status_code=303, response_class=RedirectResponse, response_model=None)
async def finish(
    services: ServicesDep,
    who: AnyCaller,
    request: Request,
    code: Annotated[str, _TEXT] = "",
    state: Annotated[str, _TEXT] = "",
    error: Annotated[str, _TEXT] = "",
    attempt: Annotated[str, Cookie(alias=_ATTEMPT, max_length=200)] = "",
) -> RedirectResponse:
    """The provider sends the browser here. Any failure is shown by the page."""
    try:
        identity = await _identity(services, request, code, state, error, attempt)
        person, secret = await services.sign_ins.open(signed_in_user(identity.issuer, identity.subject))
        await _name(services, person, identity.name)
    except VoiceAgentError as failure:
        answer = _failed(services, failure)
    else:
        answer = RedirectResponse("/", 303)
        _set(answer, request, COOKIE, secret, SIGNED_IN_FOR)
        audit(services, who, "person.sign_in", person)
    answer.delete_cookie(_ATTEMPT, path="/sign-in")
    return answer


@router.post("/sign-out", status_code=204)
async def sign_out(
    services: ServicesDep, response: Response, secret: Annotated[str, Cookie(alias=COOKIE, max_length=200)] = ""
) -> None:
    """End the browser's session; its cookie opens nothing any more."""
    if secret:
        await services.sign_ins.close(secret)
    response.delete_cookie(COOKIE)


async def _identity(services: Services, request: Request, code: str, state: str, error: str, secret: str) -> Identity:
    provider = _provider(services)
    attempt = await services.sign_ins.take(secret) if secret else None
    if attempt is None or not hmac.compare_digest(attempt.state, state):
        raise Permanent(
            Code.SIGN_IN_FAILED, "This answer fits no sign-in that this browser began.", "Sign in again, here."
        )
    if error or not code:
        raise Permanent(Code.SIGN_IN_FAILED, "The provider did not sign you in.", "Sign in again if you like.")
    return await provider.finish(attempt, code, _redirect_uri(request))


async def _name(services: Services, person: str, name: str) -> None:
    """The provider's name for a person who has chosen none."""
    if (await services.people.profile(person)).user_name:
        return
    try:
        await services.people.rename(person, name_of_person(name))
    except ValueError:
        return  # not a name that can be spoken; the page asks


def _provider(services: Services) -> OidcProvider:
    if services.oidc is None:
        raise Permanent(Code.SIGN_IN_OFF, "Nobody can sign in here.", "Set VOICE_OIDC_ISSUER and VOICE_OIDC_CLIENT_ID.")
    return services.oidc


def _redirect_uri(request: Request) -> str:
    if request.url.scheme != "https" and not _on_loopback(request):
        raise Permanent(Code.SIGN_IN_FAILED, "Signing in needs HTTPS.", "Open the page by https://.")
    return f"{request.url.scheme}://{request.headers['host']}{CALLBACK}"


def _on_loopback(request: Request) -> bool:
    return is_loopback(host_name(request.headers.get("host", "")))


def _set(answer: Response, request: Request, name: str, secret: str, seconds: int) -> None:
    path = "/sign-in" if name == _ATTEMPT else "/"
    secure = not _on_loopback(request)
    answer.set_cookie(name, secret, max_age=seconds, path=path, httponly=True, samesite="lax", secure=secure)


def _failed(services: Services, error: VoiceAgentError) -> RedirectResponse:
    """Back to the page, which has words for the code; the log has the rest."""
    services.log.write(LogEvent.NOTICE, severity="warning", **error.as_dict())
    return RedirectResponse(f"/?sign_in={error.code}", 303)
