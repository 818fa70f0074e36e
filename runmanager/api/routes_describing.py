"""``openapi.json``: what the API offers, for those who may call it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials

from runmanager.api.context import ContextOf, bearer, calling_actor
from runmanager.api.parameters import WithoutParameters
from runmanager.api.problems import AsciiJSONResponse

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
def description(
    request: Request,
    context: ContextOf,
    _none: WithoutParameters,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> AsciiJSONResponse:
    """The description of every call; with a token, or to all where the settings say so."""
    if not context.openapi_is_public:
        calling_actor(request, context, credentials)
    found: dict[str, Any] = request.app.openapi()
    # The paths are those below the address that was asked.
    prefix = request.scope.get("root_path", "").rstrip("/")
    return AsciiJSONResponse(found | {"servers": [{"url": prefix}]} if prefix else found)
