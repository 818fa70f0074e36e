"""Tokens and health: the calls that need no token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request

from runmanager.api import schemas
from runmanager.api.context import ContextOf
from runmanager.api.parameters import WithoutParameters, refuse_repeated
from runmanager.errors import InvalidTokenError
from runmanager.records import SessionKind

# Nobody has a longer name or password.
MAX_LENGTH = 1000

router = APIRouter(tags=["signing in"], dependencies=[Depends(refuse_repeated)])


@router.post("/token")
def issue_token(
    request: Request,
    context: ContextOf,
    _none: WithoutParameters,
    username: Annotated[str, Form(min_length=1, max_length=MAX_LENGTH, examples=["ada"])],
    password: Annotated[str, Form(min_length=1, max_length=MAX_LENGTH, examples=["demo-admin"])],
    grant_type: Annotated[str, Form(pattern="^password$")] = "password",  # noqa: ARG001  RFC 6749
) -> schemas.IssuedToken:
    """A token for 30 minutes, for an administrator's name and password (OAuth2 password form)."""
    context.warn_without_key()
    if not context.tokens.can_issue:
        raise InvalidTokenError("No tokens are issued here: RUNMANAGER_JWT_SECRET is not set.")
    signed_in = context.service.signing_in.sign_in(
        username,
        password,
        request.client.host if request.client is not None else "",
        kind=SessionKind.TOKEN,
    )
    token, seconds = context.tokens.issue(signed_in)
    return schemas.IssuedToken(access_token=token, expires_in=seconds)


@router.get("/health")
def health(context: ContextOf, _none: WithoutParameters) -> schemas.Health:
    """Whether the process is up and the database reachable."""
    return schemas.Health(database=context.health.is_reachable())
