"""A network between a client and PostgreSQL: each answer comes a millisecond later.

Run as ``python -m benchmarks.proxy SOCKET SECONDS``: it prints the port of 127.0.0.1 that it
listens on, and goes on until its standard input is closed. A process of its own, so that it does
not wait for the client's interpreter.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

# What the way through the proxy and a sleep's own slack take already.
_OVERHEAD = 0.00016
_CHUNK = 1 << 16


@contextmanager
def delayed(url: sa.URL, seconds: float) -> Iterator[sa.URL]:
    """The address of the same database with a round trip that is so much longer."""
    path = f"{url.query['host']}/.s.PGSQL.{url.query['port']}"
    with subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-m", "benchmarks.proxy", path, str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101  piped above
        port = process.stdout.readline().strip()
        try:
            yield url.set(query={"host": "127.0.0.1", "port": port})
        finally:
            process.terminate()


def main(path: str, seconds: float) -> None:
    """Pass on what comes until the starter is gone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=_accept, args=(listener, path, seconds), daemon=True).start()
        sys.stdin.read()


def _accept(listener: socket.socket, path: str, seconds: float) -> None:
    while True:
        client, _address = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = socket.socket(socket.AF_UNIX)
        server.connect(path)
        for source, sink, delay in ((client, server, 0.0), (server, client, seconds)):
            threading.Thread(target=_pass_on, args=(source, sink, delay), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, seconds: float) -> None:
    """All of a delay on one way is, for a question and its answer, half of it on each.

    What comes meanwhile is on its way as well: a network delays a stream, it does not make each
    piece of it wait for the one before.
    """
    under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
    arriving = threading.Thread(target=_arrive, args=(under_way, sink), daemon=True)
    arriving.start()
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            under_way.put((time.monotonic() + max(0.0, seconds - _OVERHEAD), data))
    under_way.put((0.0, b""))


def _arrive(under_way: queue.SimpleQueue[tuple[float, bytes]], sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            when, data = under_way.get()
            if not data:
                break
            left = when - time.monotonic()
            if left > 0:
                time.sleep(left)
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
