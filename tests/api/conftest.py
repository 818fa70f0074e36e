"""The API as its callers meet it: under its prefix, on a test's own host."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

import jwt
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from runmanager.api import create_api
from runmanager.api.application import PREFIX, mounted, open_api
from runmanager.api.context import Context
from runmanager.settings import Settings
from runmanager.tokens import Tokens
from tests.operations import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

SECRET = "a secret of the tests, longer than 32 bytes"


def claims(user: object, **others: Any) -> dict[str, Any]:
    """The claims of a token that is good for a minute; None leaves one out."""
    now = datetime.now(UTC)
    found = {"sub": user, "iat": now, "exp": now + timedelta(minutes=1)} | others
    return {name: value for name, value in found.items() if value is not None}


def token(user: object, *, key: str = SECRET, algorithm: str = "HS256", **others: Any) -> str:
    """A token that names ``user``, signed with the tests' secret."""
    # sub is encoded as it is: hosts write numbers there too.
    return jwt.encode(claims(user, **others), key, algorithm=algorithm)


def bearer(text: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {text}"}


def as_a_server_would(app: ASGIApp) -> ASGIApp:
    """``app`` with its paths decoded once, as servers do; the test client does so twice."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["path"] = unquote(scope["raw_path"].decode("ascii"))
        await app(scope, receive, send)

    return serve


def client_of(api: FastAPI) -> TestClient:
    """A client whose paths are those under the prefix."""
    return TestClient(
        as_a_server_would(Starlette(routes=mounted(api))),
        base_url=f"http://testserver{PREFIX}",
        raise_server_exceptions=False,
    )


@dataclass
class Caller:
    """A client of the API with an admin's token, and what stands behind it."""

    client: TestClient
    manager: RunManager
    context: Context

    def json(self, path: str, status: int = 200, /, **query: Any) -> Any:
        """The JSON that a GET answers with this status."""
        response = self.client.get(path, params=query or None)
        assert response.status_code == status, (path, query, response.text)
        return response.json()

    def send(self, method: str, path: str, body: Any, status: int = 200) -> Any:
        """The JSON that a request with a JSON body answers with this status."""
        response = self.client.request(method, path, json=body)
        assert response.status_code == status, (path, body, response.text)
        return response.json()

    def delete(self, *thread_ids: str, status: int = 200, **options: Any) -> Any:
        """The JSON that a deletion answers, but for the operation's id, which is another each time.

        Where there is one it stands at the end.
        """
        body = {"thread_ids": list(thread_ids), **options}
        answer = self.send("DELETE", "/runs", body, status)
        assert status != 200 or answer.popitem()[0] == "operation_id"
        return answer

    def plan(self, *thread_ids: str, status: int = 200, **body: Any) -> Any:
        """The JSON of a plan of these ids, or of what ``body`` says."""
        asked = ({"thread_ids": list(thread_ids)} if thread_ids else {}) | body
        return self.send("POST", "/deletion-plan", asked, status)

    def start(self, plan: Any, status: int = 202, **options: Any) -> Any:
        """The JSON that starting a plan answers."""
        return self.send("POST", "/operations", {"plan_id": plan["plan_id"], **options}, status)

    def post(self, operation_id: str, verb: str, status: int = 202, body: Any = None) -> Any:
        """The JSON that asking this of an operation answers."""
        path = f"/operations/{operation_id}/{verb}"
        response = self.client.post(path, json=body) if body else self.client.post(path)
        assert response.status_code == status, response.text
        return response.json()

    def finished(self, operation: Any) -> Any:
        """The JSON of an operation, once it has finished."""
        path = f"/operations/{operation['id']}"
        until(lambda: self.json(path)["state"] == "finished")
        return self.json(path)

    def deletes(self, *thread_ids: str, **options: Any) -> Any:
        """The JSON of an operation that has deleted these runs, once it has finished."""
        return self.finished(self.start(self.plan(*thread_ids), **options))


class OpenCaller(Protocol):
    """Opens the API on the test's host, with some settings of its own."""

    def __call__(self, *, authorization: str | None = None, **settings: Any) -> Caller:
        """With the admin's own token, unless another one is given."""


@pytest.fixture(scope="session")
def api() -> FastAPI:
    """The application; each test gives it a context."""
    return create_api()


@pytest.fixture
def open_caller(host: HostWriter, open_manager: OpenManager, api: FastAPI) -> Iterator[OpenCaller]:
    """Opens the API on the host after the test has changed its schema or settings."""
    with ExitStack() as stack:

        def open_one(*, authorization: str | None = None, **settings: Any) -> Caller:
            values: dict[str, Any] = {"jwt_secrets": (SECRET,)} | settings
            manager = open_manager(**values)
            settled = Settings(**values)
            context = Context(
                manager, Tokens(settled), openapi_is_public=settled.openapi == "public"
            )
            open_api(api, context)
            client = stack.enter_context(client_of(api))
            client.headers.update(bearer(authorization or token(host.admin.user_id)))
            return Caller(client, manager, context)

        yield open_one


@pytest.fixture
def caller(open_caller: OpenCaller) -> Caller:
    """The API on the host as its shape made it, called by its admin."""
    return open_caller()
