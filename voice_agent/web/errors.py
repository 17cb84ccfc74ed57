"""Error responses: `{"error": {"code", "message", "remedy"}}` with the HTTP status of the code."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError

STATUS: Final = {
    Code.BAD_REQUEST: 400,
    Code.AGENT_AMBIGUOUS: 400,
    Code.BUSINESS_REQUIRED: 400,
    Code.VOICE_UNKNOWN: 400,
    Code.MODEL_NOT_SERVED: 400,
    Code.UNAUTHORIZED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.AGENT_NOT_FOUND: 404,
    Code.SIGN_IN_OFF: 404,
    Code.SIGN_IN_FAILED: 401,
    Code.SESSION_NOT_FOUND: 404,
    Code.CONFLICT: 409,
    Code.SESSION_EXPIRED: 410,
    Code.VERSION_CONFLICT: 412,
    Code.TOO_LARGE: 413,
    Code.VERSION_REQUIRED: 428,
    Code.RATE_LIMITED: 429,
    Code.INTERNAL: 500,
}
"""Any other code means that a service of ours cannot work now: 503."""

_BY_STATUS: Final = {401: Code.UNAUTHORIZED, 403: Code.FORBIDDEN, 404: Code.NOT_FOUND, 413: Code.TOO_LARGE}


class ErrorBody(BaseModel):
    code: str
    message: str
    remedy: str


class ErrorAnswer(BaseModel):
    error: ErrorBody


def answer(error: VoiceAgentError) -> JSONResponse:
    headers = {"Retry-After": str(error.detail.get("retry_after", 1))} if isinstance(error, Temporary) else {}
    return JSONResponse(
        {"error": error.as_dict()},
        status_code=STATUS.get(error.code, 503),
        headers={**headers, "Cache-Control": "no-store"},
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route for OpenAPI: these statuses and those of every route."""
    return {status: {"model": ErrorAnswer} for status in (400, 403, 413, 422, 429, 503, *statuses)}


def install(app: FastAPI) -> None:
    @app.exception_handler(VoiceAgentError)
    async def ours(_request: Request, error: VoiceAgentError) -> JSONResponse:
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
        return _invalid(error.errors())

    @app.exception_handler(Exception)
    async def mistake_of_ours(_request: Request, _error: Exception) -> JSONResponse:
        """Starlette raises the error again after this answer, so it reaches the server's log."""
        return answer(
            Permanent(Code.INTERNAL, "Something went wrong on our side.", "The log of the server says what it was.")
        )

    @app.exception_handler(HTTPException)
    async def plain(_request: Request, error: HTTPException) -> JSONResponse:
        code = _BY_STATUS.get(error.status_code, Code.BAD_REQUEST)
        body = {"error": {"code": str(code), "message": str(error.detail), "remedy": ""}}
        return JSONResponse(body, status_code=error.status_code, headers=error.headers)


def _invalid(mistakes: Any) -> JSONResponse:
    first = mistakes[0]
    where = ".".join(str(part) for part in first["loc"])
    # The value is not repeated: it may be a secret or a script.
    message = f"{where or 'The request'}: {str(first['msg']).removeprefix('Value error, ')}"
    body = {"error": {"code": str(Code.BAD_REQUEST), "message": message, "remedy": "See /openapi.json."}}
    return JSONResponse(body, status_code=422, headers={"Cache-Control": "no-store"})


def malformed_part(error: ValidationError, *where: str) -> RequestValidationError:
    """A 422 for a part of the request that was validated by our own models, after FastAPI's validation."""
    return RequestValidationError([{**mistake, "loc": (*where, *mistake["loc"])} for mistake in error.errors()])


def forbidden(message: str, remedy: str = "") -> Permanent:
    return Permanent(Code.FORBIDDEN, message, remedy)
