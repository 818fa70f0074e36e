"""The one place that turns errors into HTTP: one JSON shape, ``{"detail": …}``."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import Match

from runmanager.audit import log_refused
from runmanager.deletion import DELETION
from runmanager.errors import (
    ArchiveError,
    DatabaseDeniedError,
    DatabaseError,
    FileMissingError,
    HostError,
    InterruptedOperationError,
    InvalidRequestError,
    InvalidTokenError,
    LeaseLostError,
    NotAdminError,
    NotFoundError,
    OperationStateError,
    OutdatedPlanError,
    PlanExpiredError,
    PlanUsedError,
    RunManagerError,
    StoreError,
    TooManyError,
    WrongPasswordError,
)
from runmanager.logs import report, told
from runmanager.records import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI, Request
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

RETRY_SECONDS = "5"
_BEARER = {"WWW-Authenticate": "Bearer"}
_RETRY = {"Retry-After": RETRY_SECONDS}

# What a call asks for that would change something, in the audit log's words.
_OF_AN_OPERATION = "/operations/{operation_id}/"
_ASKED = {("DELETE", "/runs"): DELETION.name, ("POST", "/operations"): DELETION.name}

# The first class that fits decides.
_ANSWERS: tuple[tuple[type[RunManagerError], int, dict[str, str]], ...] = (
    (InvalidTokenError, 401, _BEARER),
    (WrongPasswordError, 401, _BEARER),
    (NotAdminError, 403, {}),
    (NotFoundError, 404, {}),
    (OperationStateError, 409, {}),
    (OutdatedPlanError, 409, {}),
    (PlanUsedError, 409, {}),
    (PlanExpiredError, 410, {}),
    (FileMissingError, 410, {}),
    (InvalidRequestError, 422, {}),
    (TooManyError, 429, {}),
    # It is gone on with by itself: whoever asks for the same again starts a second one.
    (InterruptedOperationError, 503, {}),
    (LeaseLostError, 503, {}),
    # Not 403, which says that the caller is no administrator. Trying again alone would not help.
    (DatabaseDeniedError, 503, {}),
    (DatabaseError, 503, _RETRY),
    (StoreError, 503, _RETRY),
    (ArchiveError, 503, _RETRY),
    # The host has lost what it had at the start.
    (HostError, 503, _RETRY),
)


class Problem(BaseModel):
    """What went wrong, in a sentence."""

    detail: str = Field(examples=["Run not found"])


class FieldProblem(BaseModel):
    """What is wrong with one part of the request."""

    loc: list[str | int] = Field(examples=[["query", "page"]])
    msg: str = Field(examples=["Input should be greater than or equal to 1"])
    type: str = Field(examples=["greater_than_equal"])


class InvalidRequest(BaseModel):
    """What is wrong with the request: a sentence, or a list by field."""

    detail: str | list[FieldProblem]


RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "The bearer token is missing or not valid"},
    403: {"model": Problem, "description": "The caller is not an active administrator"},
    404: {"model": Problem, "description": "There is no such run, line, column or operation"},
    413: {"model": Problem, "description": "The body is longer than 1 MB"},
    422: {"model": InvalidRequest, "description": "The request cannot be carried out"},
    429: {"model": Problem, "description": "Too many at once: wait as Retry-After says"},
    503: {
        "model": Problem,
        "description": "The database, the store or the archive is away or too slow: try again. "
        "Without Retry-After: the database's role lacks a grant, or the operation was broken off; "
        "either is named",
    },
}


class AsciiJSONResponse(JSONResponse):
    """JSON in ASCII: a lone surrogate that a caller sent cannot break the answer."""

    def render(self, content: Any) -> bytes:
        """The bytes of ``content``."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def install(api: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Let ``api``, which serves ``routes``, answer every error in the one shape."""
    api.state.routes = routes
    api.add_exception_handler(RunManagerError, _answer_ours)
    api.add_exception_handler(RequestValidationError, _answer_validation)
    api.add_exception_handler(HTTPException, _answer_http)


def _answer_ours(request: Request, error: Exception) -> AsciiJSONResponse:
    assert isinstance(error, RunManagerError)  # noqa: S101  registered for nothing else
    if isinstance(error, NotAdminError):
        _note_turned_away(request, error)
    detail = told(logger, error)
    for kind, status, headers in _ANSWERS:
        if isinstance(error, kind):
            wait = (
                {"Retry-After": str(error.retry_after)} if isinstance(error, TooManyError) else {}
            )
            return AsciiJSONResponse({"detail": detail}, status, headers | wait)
    return AsciiJSONResponse({"detail": detail}, 503, _RETRY)


def _note_turned_away(request: Request, error: NotAdminError) -> None:
    """Let the audit log know of somebody who may not come in, and wanted to change something."""
    name = getattr(request.state, "turned_away", None)
    path = getattr(request.scope.get("route"), "path_format", "")
    asked = _ASKED.get((request.method, path))
    if request.method == "POST" and path.startswith(_OF_AN_OPERATION):
        asked = path.removeprefix(_OF_AN_OPERATION)
    if name is not None and asked is not None:
        operation_id = request.path_params.get("operation_id")
        log_refused(asked, name, Origin.API, error.message, operation_id=operation_id)


def _answer_validation(_request: Request, error: Exception) -> AsciiJSONResponse:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    # Without the input: it would send a megabyte back, or what should stand in no log.
    detail = [
        {"loc": list(one["loc"]), "msg": _message(one), "type": one["type"]} for one in errors
    ]
    return AsciiJSONResponse({"detail": detail}, 422)


def _message(error: Mapping[str, Any]) -> str:
    is_unknown = error["type"] == "extra_forbidden" and error["loc"][0] == "query"
    return "Unknown query parameter" if is_unknown else str(error["msg"])


def _answer_http(request: Request, error: Exception) -> AsciiJSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for nothing else
    headers = dict(error.headers or {})
    status = error.status_code
    if status == 405:  # noqa: PLR2004
        headers["Allow"] = ", ".join(_allowed_methods(request))
    if status == 400:  # noqa: PLR2004  a body that is no JSON at all
        status = 422
    return AsciiJSONResponse({"detail": error.detail}, status, headers)


def _allowed_methods(request: Request) -> list[str]:
    """Every method that the path answers; the router knows only its first route's."""
    methods: set[str] = set()
    for route in request.app.state.routes:
        match, _scope = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return sorted(methods)


class NoStore:
    """Keeps every answer, tokens above all, out of caches (RFC 6749, section 5.1)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its response back with the header."""

        async def send_uncached(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, send_uncached)


class LastResort:
    """An error that no handler knows becomes a 500 that tells its id, which the log has too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        has_begun = False

        async def send_noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception as error:  # noqa: BLE001  the last one there is
            error_id = report(logger, "A request ended unexpectedly", error)
            if not has_begun:
                sentence = f"Run Manager could not do this (error {error_id})."
                response = AsciiJSONResponse({"detail": sentence}, 500)
                await response(scope, receive, send)
