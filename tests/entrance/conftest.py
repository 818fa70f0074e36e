"""The guard as browsers meet it, without one: real sign-ins, and a dashboard that notes requests.

Requests are given to the guard as the web server gives them, so that a test can send what no
browser would. Behind it stand the real API and, for the dashboard, an application that keeps what
it was passed.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlencode

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from pages.wire import StreamlitWire
from runmanager.api import create_api
from runmanager.api.application import PREFIX, mounted, open_api
from runmanager.api.context import Context
from runmanager.entrance import Entrance, Guard
from runmanager.entrance.cookies import DEVICE_NAME, NAME, SECURE_DEVICE_NAME, SECURE_NAME
from runmanager.settings import Settings
from runmanager.tokens import Tokens
from tests.entrance.browsing import Visitor
from tests.entrance.serving import serving
from tests.hosts import PASSWORD
from tests.polling import wait_until
from tests.processes import COOKIE_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from anyio.from_thread import BlockingPortal
    from starlette.types import Message, Receive, Scope, Send
    from streamlit.proto.BackMsg_pb2 import BackMsg

    from runmanager.service import RunManager
    from tests.conftest import OpenManager

KEY = "the key of the cookies, thirty-two bytes or more"
SECRET = "the secret of the tokens, thirty-two bytes or more"
HOST = "runs.example.org"
ICON = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
DASHBOARD = "the dashboard"
# In place of a message: nothing more comes, and the connection stays.
SILENCE: Message = {"type": "silence"}
FORM = "application/x-www-form-urlencoded"

Headers = dict[str, str] | list[tuple[str, str]] | list[tuple[bytes, bytes]]


class Dashboard:
    """What stands behind the guard in Streamlit's place: it keeps every request that it gets."""

    def __init__(self) -> None:
        self.requests: list[Scope] = []
        self.heard: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as Streamlit does: with a page, and with headers that nobody needs."""
        self.requests.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] != "websocket.disconnect":
                self.heard.append(message["bytes"])
            return
        start = {"type": "http.response.start", "status": 200}
        told = [(b"access-control-allow-origin", b"*"), (b"content-type", b"text/html")]
        await send({**start, "headers": told})
        await send({"type": "http.response.body", "body": DASHBOARD.encode()})

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers of the last request."""
        return [(key.decode(), value.decode("latin-1")) for key, value in self.last["headers"]]

    @property
    def last(self) -> Scope:
        """The last request."""
        return self.requests[-1]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    text: str

    def header(self, name: str) -> str | None:
        """The one value of a header, None without it."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) < 2, found
        return found[0] if found else None

    @property
    def cookies(self) -> dict[str, dict[str, str]]:
        """By name, the cookies that are set: their values and what they say of themselves."""
        found: dict[str, dict[str, str]] = {}
        for key, value in self.headers:
            if key == "set-cookie":
                for name, morsel in SimpleCookie(value).items():
                    said = {key: str(one) for key, one in morsel.items() if one}
                    found[name] = {"value": morsel.value} | said
        return found

    @property
    def is_sign_in_page(self) -> bool:
        """Whether it is the form, and nothing of the dashboard."""
        return '<form method="post"' in self.text and DASHBOARD not in self.text

    @property
    def problem(self) -> str:
        """What the sign-in page says is wrong, empty where it says nothing."""
        _before, _is, after = self.text.partition('role="alert">')
        return after.partition("</p>")[0]


class Site:
    """One instance: a guard with everything behind it, in an event loop of its own."""

    def __init__(
        self, portal: BlockingPortal, manager: RunManager, settings: Settings, base: str
    ) -> None:
        self.manager = manager
        self.base = f"/{base}" if base else ""
        self.dashboard = Dashboard()
        self._portal = portal
        self._sockets: list[Socket] = []
        api = create_api()
        open_api(api, Context(manager, Tokens(settings)))
        behind = Starlette(routes=mounted(api, lambda: base))
        behind.router.default = self.dashboard
        entrance = Entrance(PREFIX)
        self.guard = Guard(behind, entrance)
        portal.call(lambda: _open(entrance, manager, settings, base))

    def ask(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: bytes | list[Message] = b"",
        *,
        scheme: str = "http",
        peer: str = "198.51.100.7",
        port: int = 50_000,
    ) -> Answer:
        """Send one request, with these headers and no others, as the web server passes it on."""
        whole: list[Message] = [{"type": "http.request", "body": body}]
        messages = whole if isinstance(body, bytes) else body
        scope = _scope("http", target, headers, scheme, (peer, port))
        scope["method"] = method
        return self._portal.call(_answer, self.guard, scope, messages)

    def socket(
        self, target: str, headers: Headers, *, scheme: str = "ws", peer: str = "198.51.100.7"
    ) -> Socket:
        """Ask for a socket with these headers and no others; it is there, or was refused."""
        scope = _scope("websocket", target, headers, scheme, (peer, 50_000))
        scope["subprotocols"] = []
        self._sockets.append(Socket(self._portal, self.guard, scope))
        return self._sockets[-1]

    def close(self) -> None:
        """Close the sockets that are still open."""
        for socket in self._sockets:
            socket.close()


class Socket:
    """One socket, as its browser has it."""

    def __init__(self, portal: BlockingPortal, guard: Guard, scope: Scope) -> None:
        self._portal = portal
        self._coming: asyncio.Queue[Message] = portal.call(asyncio.Queue)
        self.said: list[Message] = []
        self._send({"type": "websocket.connect"})
        self._task = portal.start_task_soon(self._serve, guard, scope)
        wait_until(lambda: bool(self.said) or self._task.done())

    async def _serve(self, guard: Guard, scope: Scope) -> None:
        async def send(message: Message) -> None:
            self.said.append(message)

        await guard(scope, self._coming.get, send)

    @property
    def is_open(self) -> bool:
        """Whether it was accepted and is not closed."""
        return [one["type"] for one in self.said].count("websocket.accept") == 1 and (
            self.closed_with is None
        )

    @property
    def closed_with(self) -> int | None:
        """The code with which the guard has closed it, None where it has not."""
        codes = [one["code"] for one in self.said if one["type"] == "websocket.close"]
        return codes[0] if codes else None

    @property
    def messages(self) -> list[ForwardMsg]:
        """What the browser was told."""
        data = [one["bytes"] for one in self.said if one["type"] == "websocket.send"]
        return [ForwardMsg.FromString(one) for one in data]

    def tell(self, message: BackMsg | bytes | str) -> None:
        """Send what a browser would, or what none would."""
        if isinstance(message, str):
            self._send({"type": "websocket.receive", "text": message})
            return
        data = message if isinstance(message, bytes) else message.SerializeToString()
        self._send({"type": "websocket.receive", "bytes": data})

    def close(self) -> None:
        """Go away, as a browser does whose tab is closed."""
        self._send({"type": "websocket.disconnect", "code": 1001})
        self._task.result(10)

    def _send(self, message: Message) -> None:
        self._portal.call(self._coming.put, message)


async def _open(entrance: Entrance, manager: RunManager, settings: Settings, base: str) -> None:
    entrance.open(manager, settings, base_path=base, wire=StreamlitWire(), icon=ICON)


def _scope(
    kind: str, target: str, headers: Headers, scheme: str, client: tuple[str, int]
) -> dict[str, Any]:
    path, _is, query = target.partition("?")
    pairs = list(headers.items()) if isinstance(headers, dict) else headers
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": scheme,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(_bytes(key).lower(), _bytes(value)) for key, value in pairs],
        "client": client,
        "server": ("127.0.0.1", 8501),
        "state": {},
    }


def _bytes(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


async def _answer(guard: Guard, scope: Scope, messages: list[Message]) -> Answer:
    said: list[Message] = []

    async def receive() -> Message:
        message = messages.pop(0) if messages else {"type": "http.disconnect"}
        if message == SILENCE:
            await anyio.sleep_forever()
        return message

    async def send(message: Message) -> None:
        said.append(message)

    await guard(scope, receive, send)
    start, *parts = said
    headers = [(key.decode(), value.decode("latin-1")) for key, value in start["headers"]]
    text = b"".join(part.get("body", b"") for part in parts).decode()
    return Answer(start["status"], headers, text)


@dataclass
class Browser:
    """Somebody's browser at one site: it keeps cookies and says where its pages come from."""

    site: Site
    scheme: str = "http"
    host: str = HOST
    address: str = "198.51.100.7"
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, target: str = "/", **headers: str) -> Answer:
        """Go to an address below the base path."""
        return self.send("GET", target, headers=headers)

    def post(self, target: str, fields: Mapping[str, str], **headers: str) -> Answer:
        """Send a form of our own page."""
        body = urlencode(fields, errors="surrogatepass").encode()
        return self.send("POST", target, body, headers={"content-type": FORM} | headers)

    def sign_in(
        self, name: str = "ada", password: str = PASSWORD, next_path: str = "", **headers: str
    ) -> Answer:
        """Send the sign-in form."""
        fields = {"username": name, "password": password, "next": next_path}
        return self.post("/sign-in", fields, **headers)

    def signed_in(self, name: str = "ada", password: str = PASSWORD) -> Browser:
        """The same browser, once it has signed in."""
        assert self.sign_in(name, password).status == 303
        return self

    def sign_out(self, query: str = "") -> Answer:
        """Press one of the two buttons in the sidebar."""
        return self.post(f"/sign-out{query}", {})

    def send(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request with what a browser adds to it, and keep the cookies of the answer."""
        origin = {"origin": f"{self.scheme}://{self.host}"} if method == "POST" else {}
        told = {"host": self.host} | origin | dict(headers or {})
        if self.cookies:
            told["cookie"] = "; ".join(f"{name}={one}" for name, one in self.cookies.items())
        answer = self.site.ask(
            method, self.site.base + target, told, body, scheme=self.scheme, peer=self.address
        )
        for name, cookie in answer.cookies.items():
            if cookie.get("max-age") == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = cookie["value"]
        return answer

    @property
    def session_cookie(self) -> str:
        """The value of the session cookie."""
        return self.cookies.get(SECURE_NAME) or self.cookies[NAME]

    def socket(self, **others: str) -> Socket:
        """Ask for the dashboard's socket, as a page in this browser does."""
        headers = {
            "host": self.host,
            "origin": f"{self.scheme}://{self.host}",
            "cookie": "; ".join(f"{name}={one}" for name, one in self.cookies.items()),
        } | others
        scheme = self.scheme.replace("http", "ws")
        target = f"{self.site.base}/_stcore/stream"
        return self.site.socket(target, headers, scheme=scheme, peer=self.address)

    @property
    def opens_socket(self) -> bool:
        """Whether the dashboard's socket is opened for a page in this browser."""
        socket = self.socket()
        is_open = socket.is_open
        if is_open:
            socket.close()
        return is_open

    def forget_device(self) -> None:
        """Let the browser be one from which nobody has signed in yet."""
        for name in (DEVICE_NAME, SECURE_DEVICE_NAME):
            self.cookies.pop(name, None)

    @property
    def is_in(self) -> bool:
        """Whether the dashboard is shown; if not, the sign-in page is."""
        answer = self.get()
        assert answer.text == DASHBOARD or answer.is_sign_in_page, answer.text
        return answer.text == DASHBOARD


class OpenSite(Protocol):
    """Opens an instance on the test's host and store, with some settings of its own."""

    def __call__(self, base: str = "", **settings: Any) -> Site:
        """Every one is closed at the end of the test; ``base`` is its base path."""


@pytest.fixture
def open_site(open_manager: OpenManager) -> Iterator[OpenSite]:
    """Opens instances; a second one is another instance, or the first after a restart."""
    with ExitStack() as stack:

        def open_one(base: str = "", **settings: Any) -> Site:
            values: dict[str, Any] = {"cookie_keys": (KEY,), "jwt_secrets": (SECRET,)} | settings
            portal = stack.enter_context(start_blocking_portal())
            site = Site(portal, open_manager(**values), Settings(**values), base)
            stack.callback(site.close)
            return site

        yield open_one


@pytest.fixture
def site(open_site: OpenSite) -> Site:
    """An instance as the settings' defaults make it."""
    return open_site()


@pytest.fixture
def browser(site: Site) -> Browser:
    """A browser in which nobody has signed in."""
    return Browser(site)


@pytest.fixture
def ada(site: Site) -> Browser:
    """The browser of the host's admin, signed in."""
    return Browser(site).signed_in()


class Serve(Protocol):
    """Serves the guard with some settings of its own; its address."""

    def __call__(self, base_path: str = "", **settings: Any) -> str:
        """It ends with the test."""


@pytest.fixture
def serve(open_manager: OpenManager) -> Iterator[Serve]:
    """Serves the guard on the test's host."""
    with ExitStack() as stack:

        def serve_one(base_path: str = "", **settings: Any) -> str:
            values = {"cookie_keys": (COOKIE_KEY,)} | settings
            manager = open_manager(**values)
            return stack.enter_context(serving(manager, Settings(**values), base_path))

        yield serve_one


@pytest.fixture
def visitor() -> Iterator[Callable[..., Visitor]]:
    """Opens browsers, each with cookies of its own."""
    with ExitStack() as stack:
        yield lambda url, account=None: stack.enter_context(Visitor(url, account))
