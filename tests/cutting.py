"""A way to the server that can be cut at any round of the protocol, before or after its answer."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

_PORT = "5432"


@dataclass
class Cut:
    """Where the next cut is made. ``round`` counts what clients send, from 1, over all of them.

    With ``after`` the server still gets what was sent, and its answer is lost.
    """

    at: int | None = None
    after: bool = False
    rounds: int = 0
    cuts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> tuple[bool, bool]:
        """Whether this round reaches the server, and whether its answer comes back."""
        with self._lock:
            self.rounds += 1
            if self.rounds != self.at:
                return True, True
            self.cuts += 1
            return self.after, False

    def begin(self, at: int | None, *, after: bool) -> None:
        """Count from here on, and cut at this round."""
        with self._lock:
            self.at, self.after, self.rounds = at, after, 0


@contextmanager
def cutting(url: sa.URL, folder: Path) -> Iterator[tuple[sa.URL, Cut]]:
    """An address that leads to the server of ``url``, and what decides when the way is cut."""
    cut = Cut()
    target = str(Path(str(url.query["host"])) / f".s.PGSQL.{url.query['port']}")
    own = folder / f".s.PGSQL.{_PORT}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(own))
    listener.listen(64)

    def accept() -> None:
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    def serve(client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, suppress(OSError):
            server.connect(target)
            back = threading.Thread(target=pour, args=(server, client), daemon=True)
            back.start()
            while data := client.recv(1 << 20):
                reaches, answers = cut.next()
                if not answers:
                    # First of all nothing comes back any more; then what was sent goes its way.
                    client.shutdown(socket.SHUT_RDWR)
                if reaches:
                    server.sendall(data)
                if not answers:
                    # Only when it has ended there: what it did is done then.
                    server.shutdown(socket.SHUT_WR)
                    back.join(10)
                    return

    def pour(server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 20):
                with suppress(OSError):
                    client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield url.update_query_dict({"host": str(folder), "port": _PORT}), cut
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        own.unlink()
