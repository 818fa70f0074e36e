"""The API as one ASGI application, to be mounted under its prefix."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.routing import BaseRoute, Match, Mount, Route

from runmanager.api import (
    problems,
    routes_deleting,
    routes_describing,
    routes_finding,
    routes_operations,
    routes_reviewing,
    routes_signing_in,
    routes_triage,
)
from runmanager.api.body_limit import BodyLimit
from runmanager.api.ids import EncodedSlashes

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from runmanager.api.context import Context

PREFIX = "/admin/run-manager"

_DESCRIPTION = """
Find, review and delete the workflow runs of a LangGraph application. For administrators, by bearer
token. An unknown query parameter is refused: a misspelt filter must not mean "all runs".
"""


def create_api() -> FastAPI:
    """The API without its context: nothing is answered until ``open_api`` gives it one."""
    api = FastAPI(
        title="Run Manager",
        version="1",
        description=_DESCRIPTION.strip(),
        # The documentation pages would load scripts from another host.
        docs_url=None,
        # Served by a route of ours, which asks for a token.
        openapi_url=None,
        redoc_url=None,
        redirect_slashes=False,
        default_response_class=problems.AsciiJSONResponse,
        responses=problems.RESPONSES,
    )
    routers = (
        routes_describing.router,
        routes_signing_in.router,
        routes_finding.router,
        routes_triage.router,
        routes_reviewing.router,
        routes_deleting.router,
        routes_operations.router,
    )
    own = list(api.routes)
    for router in routers:
        api.include_router(router)
    problems.install(api, [*own, *(route for router in routers for route in router.routes)])
    api.add_middleware(EncodedSlashes)
    api.add_middleware(BodyLimit)
    api.add_middleware(problems.LastResort)
    api.add_middleware(problems.NoStore)
    return api


class _Mounted(BaseRoute):
    """All that begins with the prefix, below the base path that is set when the request comes.

    Starlette's own Mount would leave the prefix without a slash, and paths with a line break in
    them, to whatever else the application serves.
    """

    def __init__(self, api: FastAPI, base_path: Callable[[], str]) -> None:
        self._api = api
        self._base_path = base_path

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether ``scope`` is a request to the API."""
        base = self._base_path().strip("/")
        for route in _routes(self._api, f"/{base}{PREFIX}" if base else PREFIX):
            match, child_scope = route.matches(scope)
            if match is not Match.NONE:
                return match, child_scope
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the API answer."""
        await self._api(scope, receive, send)


@lru_cache
def _routes(api: FastAPI, path: str) -> tuple[BaseRoute, ...]:
    mount = Mount(path, app=api)
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount, Route(path, endpoint=api)


def mounted(api: FastAPI, base_path: Callable[[], str] = lambda: "") -> list[BaseRoute]:
    """The routes under which another application serves ``api``.

    ``base_path`` is asked at each request: Streamlit knows its own only once it serves.
    """
    return [_Mounted(api, base_path)]


def open_api(api: FastAPI, context: Context) -> None:
    """Let ``api`` answer through this service and these tokens."""
    api.state.context = context
