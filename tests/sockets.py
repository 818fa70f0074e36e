"""Streamlit's websocket without a browser, for those who do not keep to what a browser would send.

A ``Socket`` sends whatever it is told to, valid or not, and keeps all that comes back. A browser
that behaves is ``benchmarks/streamlit_client.py``.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.hosts import PASSWORD

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType

    from websockets.sync.client import ClientConnection

# A run may ask for another one: so long is waited for that one to begin.
QUIET = 0.3
# How long a run may take to begin, and to end.
PATIENCE = 10.0
# Where a browser puts its XSRF token, which is for Streamlit's own sign-in only.
_WIDGET_ID = re.compile(r'\$\$ID-[0-9a-f]{32}-[^"\\]+')
_NO_TOKEN = "PLACEHOLDER_AUTH_TOKEN"


def cookie_of(url: str, name: str) -> dict[str, str]:
    """The headers of a browser in which the admin ``name`` has signed in, by the door."""
    fields = urlencode({"username": name, "password": PASSWORD}).encode()
    request = Request(f"{url}/sign-in", fields, {"Origin": url})  # noqa: S310  our own address
    opened = build_opener(_StayHere)
    with opened.open(request, timeout=PATIENCE) as answer:
        assert answer.status == 303, answer.status
        cookies = answer.headers.get_all("Set-Cookie")
    return {"Cookie": "; ".join(one.partition(";")[0] for one in cookies)}


class _StayHere(HTTPRedirectHandler):
    """Gives the redirection itself."""

    def http_error_303(self, _request: Any, answer: Any, *_rest: Any) -> Any:
        """What came back."""
        return answer


class Socket:
    """One connection, with what was received over it; ``runs`` counts the script runs it saw."""

    def __init__(self, connection: ClientConnection, opened: ExitStack) -> None:
        self._connection = connection
        self._opened = opened
        self.messages: list[ForwardMsg] = []
        self.runs = 0
        self.finished = 0
        self.is_closed = False
        self.page_hash = ""
        self.session_id = ""

    @classmethod
    def connect(
        cls,
        url: str,
        headers: Mapping[str, str] | None = None,
        session_id: str | None = None,
        *,
        origin: str | None = None,
        path: str = "/_stcore/stream",
        trust: ssl.SSLContext | None = None,
    ) -> Socket:
        """Connect to the dashboard at ``url``, such as ``http://localhost:8501``.

        ``session_id`` asks for a session that there was before. Without an ``origin`` it is the
        dashboard's own; "" sends none. ``trust`` is whom TLS is spoken with. A connection that is
        refused raises InvalidStatus, whose ``response.status_code`` is the answer.
        """
        protocols = ["streamlit", _NO_TOKEN, *([session_id] if session_id is not None else [])]
        said_origin = url if origin is None else origin
        opened = ExitStack()
        connection = opened.enter_context(
            connect(
                f"{url.replace('http', 'ws', 1)}{path}",
                origin=Origin(said_origin) if said_origin else None,
                subprotocols=[Subprotocol(one) for one in protocols],
                additional_headers=dict(headers or {}),
                ssl=trust,
                max_size=None,
                compression=None,
                proxy=None,
                open_timeout=PATIENCE,
                close_timeout=1,
            )
        )
        return cls(connection, opened)

    def __enter__(self) -> Socket:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def header(self, name: str) -> str:
        """A header of the answer to the handshake."""
        assert self._connection.response is not None
        return self._connection.response.headers[name]

    def close(self) -> None:
        """End the connection, as a tab that is closed does."""
        self._opened.close()

    def send(self, message: BackMsg | bytes | str) -> None:
        """Send one message, or bytes that are none; on a connection that is closed, nothing."""
        data = message.SerializeToString() if isinstance(message, BackMsg) else message
        try:
            self._connection.send(data)
        except ConnectionClosed:
            self.is_closed = True

    def rerun(self, *states: WidgetState, fragment_id: str = "", **fields: Any) -> None:
        """Ask for a script run with these widgets' values.

        ``fields`` are others of the message, such as ``query_string`` and ``page_script_hash``.
        """
        message = BackMsg()
        state = message.rerun_script
        state.page_script_hash = self.page_hash
        state.fragment_id = fragment_id
        state.widget_states.widgets.extend(states)
        for name, value in fields.items():
            setattr(state, name, value)
        self.send(message)

    def read(self, seconds: float) -> list[ForwardMsg]:
        """What comes within so many seconds."""
        deadline, before = time.monotonic() + seconds, len(self.messages)
        while self._take(deadline - time.monotonic()):
            pass
        return self.messages[before:]

    def settle(self, quiet: float = QUIET, patience: float = PATIENCE) -> list[ForwardMsg]:
        """What comes until the run that was asked for has ended and no other one begins.

        Where no run begins, it is waited for ``patience``. Runs that never end fail the caller.
        """
        before, runs, finished = len(self.messages), self.runs, self.finished
        deadline = time.monotonic() + patience
        while not self.is_closed:
            is_over = self.finished > finished and self.finished >= self.runs
            left = quiet if is_over else deadline - time.monotonic()
            if not self._take(left):
                break
            if self.runs > runs and not is_over:
                deadline = max(deadline, time.monotonic() + patience)
            assert self.runs - runs < 100, "the script runs again and again"
        return self.messages[before:]

    def elements(self, kind: str, messages: Iterable[ForwardMsg] | None = None) -> Iterator[Any]:
        """The elements of one kind, such as "button", in ``messages`` or in all that came."""
        for delta in self._deltas(messages):
            if delta.new_element.WhichOneof("type") == kind:
                yield getattr(delta.new_element, kind)

    def widget_id(self, key: str) -> str:
        """The id of the widget with this key, as the newest message has it."""
        found = [one for one in self.widget_ids if one.endswith(f"-{key}")]
        assert found, f"no widget {key} among {self.widget_ids}"
        return found[-1]

    @property
    def widget_ids(self) -> list[str]:
        """The ids of all widgets that came, each once."""
        # Some stand deep inside an element, such as those of a table's columns of buttons.
        elements = (str(delta.new_element) for delta in self._deltas(None))
        return list(dict.fromkeys(_WIDGET_ID.findall("\n".join(elements))))

    def fragment_of(self, widget_id: str) -> str:
        """The id of the fragment that drew this widget last."""
        found = ""
        for delta in self._deltas(None):
            kind = delta.new_element.WhichOneof("type")
            if kind and getattr(getattr(delta.new_element, kind), "id", "") == widget_id:
                found = delta.fragment_id
        return found

    def press(self, key: str, query: str = "") -> None:
        """Press the button with this key, as a browser at this query does."""
        widget_id = self.widget_id(key)
        pressed = WidgetState(id=widget_id, trigger_value=True)
        self.rerun(pressed, fragment_id=self.fragment_of(widget_id), query_string=query)

    @property
    def fragment_ids(self) -> list[str]:
        """The ids of all fragments that came, each once."""
        return list(dict.fromkeys(one.fragment_id for one in self._deltas(None) if one.fragment_id))

    @property
    def texts(self) -> list[str]:
        """Every text that was shown as it is."""
        return self.texts_of(self.messages)

    def read_texts(self) -> list[str]:
        """Every text that was shown, after reading what there is to be read."""
        self.read(0.02)
        return self.texts

    def texts_of(self, messages: Iterable[ForwardMsg]) -> list[str]:
        """Every text that ``messages`` show as it is."""
        return [one.body for one in self.elements("text", messages)]

    @property
    def said(self) -> str:
        """All that came, as one text: to look for what must not be in it."""
        return "\n".join(str(one) for one in self.messages)

    def _deltas(self, messages: Iterable[ForwardMsg] | None) -> Iterator[Any]:
        for message in self.messages if messages is None else messages:
            if message.WhichOneof("type") == "delta":
                yield message.delta

    def _take(self, seconds: float) -> bool:
        """Take one message; whether there was one within so many seconds."""
        if seconds <= 0:
            return False
        try:
            data = self._connection.recv(timeout=seconds)
        except TimeoutError:
            return False
        except ConnectionClosed:
            self.is_closed = True
            return False
        assert isinstance(data, bytes), "the protocol has no text frames"
        message = ForwardMsg.FromString(data)
        self.messages.append(message)
        match message.WhichOneof("type"):
            case "new_session":
                self.runs += 1
                self.page_hash = message.new_session.page_script_hash
                self.session_id = message.new_session.initialize.session_id or self.session_id
            case "navigation":
                self.page_hash = message.navigation.page_script_hash
            case "script_finished":
                self.finished += 1
        return True
