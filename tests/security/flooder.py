"""A flood of one kind, from a process of its own.

    python -m tests.security.flooder KIND PORT SECONDS

It says "ready", begins when a line comes, and prints how often it did what. It is nice to the other
processes here: a real one would come from other machines, and take none of this one's processor.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from runmanager.api.application import PREFIX
from tests.security.wire import LOOPBACK, handshake, request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Client = Callable[["Flood"], Awaitable[None]]

_FORGED = (
    "runmanager=eyJhbGciOiJIUzI1NiJ9.eyJzaWQiOiJ4IiwidWlkIjoiMSIsInB3IjoieCIsImV4cCI6OTk5OX0.AA"
)
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_LONG = 1_000_000


class Flood:
    """What the clients of one flood share."""

    def __init__(self, port: int, seconds: float) -> None:
        self.port = port
        self.until = time.monotonic() + seconds
        self.done: Counter[str] = Counter()

    @property
    def host(self) -> dict[str, str]:
        """The headers of every request."""
        return {"Host": f"localhost:{self.port}", "Origin": f"http://localhost:{self.port}"}

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.until - time.monotonic()

    async def send(self, what: str, data: bytes) -> None:
        """Send these bytes on a new connection, and read what comes back."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        try:
            writer.write(data)
            await writer.drain()
            async with asyncio.timeout(max(0.1, min(self.left, 5))):
                await reader.read()
            self.done[what] += 1
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def drip(self, what: str, head: bytes, piece: bytes) -> None:
        """Begin a request, and go on by a byte a second until it is closed."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        self.done[what] += 1
        try:
            writer.write(head)
            while self.left > 0 and not reader.at_eof():
                writer.write(piece)
                await writer.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await reader.read(1000)
        finally:
            writer.close()


async def _sockets(flood: Flood) -> None:
    await flood.send("handshakes", handshake("/_stcore/stream", flood.host, "streamlit", "x"))
    await asyncio.sleep(1)


async def _requests(flood: Flood) -> None:
    close = flood.host | {"Connection": "close"}
    await flood.send("requests", request("GET", "/run?id=x", close))
    await asyncio.sleep(0.1)


async def _guesses(flood: Flood) -> None:
    said = flood.host | _FORM | {"Connection": "close"}
    body = f"username=nobody-{time.monotonic_ns()}&password=wrong".encode()
    await flood.send("guesses", request("POST", "/sign-in", said, body))
    await asyncio.sleep(0.1)


async def _forged(flood: Flood) -> None:
    said = flood.host | {"Cookie": _FORGED}
    await flood.send("forged handshakes", handshake("/_stcore/stream", said, "streamlit"))
    await asyncio.sleep(0.2)


async def _slow_heads(flood: Flood) -> None:
    await flood.drip("slow heads", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"x")


async def _slow_bodies(flood: Flood) -> None:
    said = flood.host | _FORM | {"Content-Length": "10000"}
    await flood.drip("slow bodies", request("POST", "/sign-in", said)[:-2] + b"\r\n", b"x")


async def _big_bodies(flood: Flood) -> None:
    path = "/sign-in" if flood.done["big bodies"] % 2 else f"{PREFIX}/token"
    said = flood.host | _FORM | {"Connection": "close"}
    await flood.send("big bodies", request("POST", path, said, b"x" * _LONG))
    await asyncio.sleep(0.5)


async def _idle(flood: Flood) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, flood.port)
    flood.done["idle connections"] += 1
    try:
        async with asyncio.timeout(max(0.1, flood.left)):
            await reader.read()
    finally:
        writer.close()


async def _unreadable(flood: Flood) -> None:
    said = flood.host | {"Cookie": "x" * 9000}
    await flood.send("unreadable handshakes", handshake("/_stcore/stream", said, "streamlit"))
    await asyncio.sleep(0.5)


async def _bad_tokens(flood: Flood) -> None:
    said = flood.host | {"Connection": "close", "Authorization": f"Bearer {_FORGED[11:]}"}
    await flood.send("bad tokens", request("GET", f"{PREFIX}/runs", said))
    await asyncio.sleep(0.1)


# By kind: how many clients at once, and what each does again and again.
KINDS: dict[str, tuple[int, Client]] = {
    "300 sockets": (300, _sockets),
    "2,000 requests": (20, _requests),
    "guesses": (20, _guesses),
    "forged cookies": (50, _forged),
    "slow heads": (300, _slow_heads),
    "slow bodies": (300, _slow_bodies),
    "big bodies": (10, _big_bodies),
    "idle connections": (250, _idle),
    "unreadable handshakes": (50, _unreadable),
    "bad tokens": (20, _bad_tokens),
}


async def _again_and_again(client: Client, flood: Flood) -> None:
    while flood.left > 0:
        try:
            await client(flood)
        except (OSError, TimeoutError):
            flood.done["broken off"] += 1
            await asyncio.sleep(0.05)


async def _flood(kind: str, port: int, seconds: float) -> Counter[str]:
    number, client = KINDS[kind]
    flood = Flood(port, seconds)
    await asyncio.gather(*map(partial(_again_and_again, client), [flood] * number))
    return flood.done


def main() -> None:
    """Flood, and print what was done."""
    kind, port, seconds = sys.argv[1:]
    os.nice(10)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    done = asyncio.run(_flood(kind, int(port), float(seconds)))
    sys.stdout.write(", ".join(f"{number:,} {what}" for what, number in done.items()) + "\n")


if __name__ == "__main__":
    main()
