"""A provider that says what no provider should: what a test tells it to, signed or not."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.entrance.openid_provider import CLIENT_ID, CLIENT_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@cache
def key_of(owner: str, kid: str) -> RSAKey:
    """The key of this id that somebody has; it takes a while to make one."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


def signed(claims: dict[str, Any], key: Any, alg: str = "RS256", **header: Any) -> str:
    """A token by this key."""
    named = {"kid": key.kid} if isinstance(key, RSAKey) else {}
    return jwt.encode({"alg": alg} | named | header, claims, key, algorithms=[alg])


@dataclass
class Answer:
    """What one of its addresses answers, after a blank each second for so many seconds."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: int = 0


class HostileProvider:
    """It is well behaved until a test changes one of its answers.

    ``asked`` are the paths that were asked for, ``sent`` the form that came with the last code.
    ``change`` turns the claims of its ID token into the token that it answers with.
    """

    def __init__(self) -> None:
        self.key = key_of("provider", "1")
        self.asked: list[str] = []
        self.sent: dict[str, list[str]] = {}
        self.nonce = ""
        self.answers: dict[str, Answer] = {}
        self.change: Callable[[dict[str, Any]], str] = lambda claims: signed(claims, self.key)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self)

            def do_POST(self) -> None:
                length = int(self.headers["content-length"] or 0)
                outer.sent = parse_qs(self.rfile.read(length).decode())
                outer._answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> HostileProvider:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def settings(self) -> dict[str, str]:
        """What Run Manager is told of it."""
        return {
            "oidc_issuer": self.issuer,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": CLIENT_SECRET,
        }

    @property
    def discovery(self) -> dict[str, Any]:
        """What it says of itself."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }

    @property
    def claims(self) -> dict[str, Any]:
        """What its ID token says of an administrator who has just signed in."""
        now = int(time.time())
        return {
            "iss": self.issuer, "aud": CLIENT_ID, "sub": "there-1", "sid": "s-1",
            "nonce": self.nonce, "iat": now, "exp": now + 60, "preferred_username": "ada",
        }  # fmt: skip

    @property
    def logout_claims(self) -> dict[str, Any]:
        """What its logout token says of the same session."""
        now = int(time.time())
        return {
            "iss": self.issuer, "aud": CLIENT_ID, "sub": "there-1", "sid": "s-1", "iat": now,
            "exp": now + 60, "jti": f"jti-{time.monotonic_ns()}", "events": {LOGOUT_EVENT: {}},
        }  # fmt: skip

    def back(self, location: str) -> str:
        """Where a browser that was sent to ``location`` is sent back to."""
        asked = parse_qs(urlsplit(location).query)
        self.nonce = asked["nonce"][0]
        self.asked.append(urlsplit(location).path)
        told = {"state": asked["state"][0], "code": "c-1", "iss": self.issuer}
        return f"{asked['redirect_uri'][0]}?{urlencode(told)}"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        self.asked.append(path)
        answer = self.answers.get(path) or Answer(body=self._usual(path))
        body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        handler.send_response(answer.status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body.encode()) + answer.seconds))
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        # Whoever was told so does not wait for the rest.
        with suppress(OSError):
            for _ in range(answer.seconds):
                handler.wfile.write(b" ")
                time.sleep(1)
            handler.wfile.write(body.encode())

    def _usual(self, path: str) -> Any:
        match path:
            case "/token":
                return {
                    "access_token": "a", "token_type": "Bearer", "expires_in": 60,
                    "id_token": self.change(self.claims),
                }  # fmt: skip
            case "/keys":
                return {"keys": [self.key.as_dict(private=False)]}
            case "/userinfo":
                return {"sub": "there-1"}
            case _:
                return self.discovery
