"""Connections: how many there may be, and how long one may take to say what it asks for.

uvicorn bounds the length of a request's head (16 kB) and how long a connection stays open between
two requests, but waits for a head that never comes to its end. Such a connection costs a file
descriptor; here it is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

HEAD_SECONDS = 10.0
MAX_CONNECTIONS = 2_000
_UNREADABLE = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedConnection(H11Protocol):
    """uvicorn's connection of HTTP/1.1, closed where a request's head takes too long."""

    _head_is_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request; one connection too many is closed at once."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.close()
            return
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Read on. Waiting ends with the head, and begins with the next one's first byte."""
        if self._is_between_requests and self._head_is_due is None:
            self._wait_for_head()
        super().data_received(data)
        if not self._is_between_requests:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """From here on it is a socket, which the guard and its pings look after.

        Where the websocket's own parser cannot read the head (a line of more than 8 kB), uvicorn
        says nothing and waits for ever: nobody has been asked about it, and it is closed here.
        """
        self._stop_waiting()
        super().handle_websocket_upgrade(event)
        if not getattr(self.transport.get_protocol(), "handshake_initiated", True):
            self.transport.write(_UNREADABLE)
            self.transport.close()

    @property
    def _is_between_requests(self) -> bool:
        # uvicorn declares it as always there; before the first request it is not.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _wait_for_head(self) -> None:
        self._head_is_due = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._head_is_due is not None:
            self._head_is_due.cancel()
            self._head_is_due = None


def bound_connections() -> None:
    """Let uvicorn, which Streamlit starts, make its connections of this kind."""
    HTTP_PROTOCOLS["auto"] = f"{__name__}:{BoundedConnection.__name__}"
