"""HTTP as bytes: what no well-behaved client would send, and all that comes back."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = "127.0.0.1"
_END_OF_HEAD = b"\r\n\r\n"
_SWITCHED = b" 101 "


@dataclass(frozen=True)
class Answer:
    """All that came back on one connection; ``status`` is 0 where it was closed without a word."""

    raw: bytes

    @property
    def status(self) -> int:
        """The status code."""
        parts = self.raw.split(b" ", 2)
        return int(parts[1]) if self.raw.startswith(b"HTTP/") and parts[1].isdigit() else 0

    @cached_property
    def head(self) -> str:
        """The status line and the headers."""
        return self.raw.partition(_END_OF_HEAD)[0].decode("latin-1")

    @cached_property
    def body(self) -> bytes:
        """The body, put together where it came in chunks."""
        body = self.raw.partition(_END_OF_HEAD)[2]
        if self.header("transfer-encoding").lower() != "chunked":
            return body
        whole = b""
        while body:
            size, _end, rest = body.partition(b"\r\n")
            length = int(size, 16)
            whole, body = whole + rest[:length], rest[length + 2 :]
        return whole

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        lines = (line.partition(":") for line in self.head.split("\r\n")[1:])
        return [value.strip() for key, _colon, value in lines if key.lower() == name]

    def header(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return next(iter(self.all(name)), "")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def request(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request as it is sent, its target untouched."""
    said = {**headers, "Content-Length": str(len(body))} if body or method == "POST" else headers
    lines = [f"{method} {target} HTTP/1.1", *(f"{key}: {value}" for key, value in said.items())]
    return "\r\n".join([*lines, "", ""]).encode(errors="surrogateescape") + body


def ask(port: int, data: bytes, seconds: float = 20.0) -> Answer:
    """Send these bytes on a connection of their own, and read until it is closed.

    A connection that becomes a websocket is left at once: that it did is what is asked.
    """
    raw, deadline = b"", time.monotonic() + seconds
    with suppress(ConnectionError), socket.create_connection((LOOPBACK, port), seconds) as one:
        one.sendall(data)
        while (left := deadline - time.monotonic()) > 0:
            one.settimeout(left)
            try:
                part = one.recv(65536)
            except TimeoutError:
                break
            raw += part
            if not part or (_END_OF_HEAD in raw and _SWITCHED in raw[:16]):
                break
    return Answer(raw)


def handshake(target: str, headers: Mapping[str, str], *protocols: str) -> bytes:
    """The request that opens a websocket, with whatever else is said in it."""
    own = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    if protocols:
        own["Sec-WebSocket-Protocol"] = ", ".join(protocols)
    return request("GET", target, own | dict(headers))
