"""What every endpoint needs: the service, the tokens, the throttles, and who is calling."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from runmanager.api.parameters import refuse_repeated
from runmanager.errors import InvalidTokenError, NotAdminError, SignedOutError, TooManyError
from runmanager.records import Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runmanager.service import RunManager
    from runmanager.tokens import Tokens

logger = logging.getLogger(__name__)

MAX_DELETIONS_AT_ONCE = 4
bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="A JWT of the host's, or one from `POST /token`.",
)


@dataclass
class HealthCheck:
    """Whether the database answers, asked by one caller at a time and at most once a second.

    Anybody may ask: a database that does not answer must not cost a thread for each who does.
    """

    ask: Callable[[], bool]
    _asking: threading.Lock = field(default_factory=threading.Lock)
    _asked_at: float = -1.0
    _was_reachable: bool = True

    def is_reachable(self) -> bool:
        """The answer, or the last one while somebody else is asking."""
        if self._asking.acquire(blocking=False):
            try:
                if time.monotonic() - self._asked_at > 1 or self._asked_at < 0:
                    self._was_reachable = self.ask()
                    self._asked_at = time.monotonic()
            finally:
                self._asking.release()
        return self._was_reachable


@dataclass
class Context:
    """What the endpoints work with; made once, when the process has opened its database."""

    service: RunManager
    tokens: Tokens
    openapi_is_public: bool = False
    health: HealthCheck = field(init=False)
    _deletions: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(MAX_DELETIONS_AT_ONCE)
    )
    _has_warned: bool = False

    def __post_init__(self) -> None:
        self.health = HealthCheck(self.service.is_database_reachable)

    @contextmanager
    def deleting(self) -> Iterator[None]:
        """A place among the deletions at work. Raises TooManyError where there is none.

        A deletion keeps its thread until it is done: more of them would leave none for reading.
        """
        if not self._deletions.acquire(blocking=False):
            raise TooManyError("Too many deletions at once. Wait a moment, then try again.")
        try:
            yield
        finally:
            self._deletions.release()

    def warn_without_key(self) -> None:
        """Say once what to set, where no token can be valid."""
        if not self.tokens.is_configured and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "The API refuses every call: set RUNMANAGER_JWT_SECRET or "
                "RUNMANAGER_JWT_PUBLIC_KEY."
            )


def context_of(request: Request) -> Context:
    """The context of the application that serves ``request``."""
    found: Context = request.app.state.context
    return found


def calling_actor(
    request: Request,
    context: Annotated[Context, Depends(context_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Actor:
    """The active admin whom the bearer token names.

    Raises InvalidTokenError without a valid token, and NotAdminError for anybody else.
    """
    context.warn_without_key()
    if credentials is None or not context.tokens.is_configured:
        raise InvalidTokenError
    try:
        named = context.tokens.bearer(credentials.credentials)
    except InvalidTokenError as error:
        logger.info("A token was refused: %s", error.message)
        raise InvalidTokenError from None
    signing_in = context.service.signing_in
    try:
        if named.ticket is not None:
            return signing_in.actor_of(named.ticket)
        return signing_in.actor_named(named.name, is_username=context.tokens.names_by_username)
    except SignedOutError:
        logger.info("A token was refused: its sign-in is no longer valid")
        raise
    except NotAdminError:
        # Who does not come in never meets the service, which notes what it refuses itself.
        request.state.turned_away = named.name
        logger.info("A token was refused: its user is no active administrator")
        raise


ContextOf = Annotated[Context, Depends(context_of)]
CallingActor = Annotated[Actor, Depends(calling_actor)]
# Who calls comes first: a stranger learns nothing about what else is wrong.
admins_only = (Depends(calling_actor), Depends(refuse_repeated))
