"""A way to the server that can be cut at any round of the protocol, before or after its answer."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa

_PORT = "5432"
_PIECE = 1 << 20
# What has been sent by then is not waited for any longer: the server may be at work on it for good.
_LAST_WORK_SECONDS = 0.5


def _nothing() -> None:
    """What happens at a round where a test wants nothing else."""


@dataclass
class Cut:
    """Where the way is cut. ``rounds`` counts what clients send, from 1, over all of them.

    With ``after`` the server still gets what was sent in round ``at``, and its answer is lost; else
    it never gets it. ``at`` may also say what is sent in the round. With ``instead`` that is done
    in this round, before it reaches the server, and the way is left alone. ``sent`` is what each
    round held.
    """

    at: int | bytes | None = None
    after: bool = False
    instead: Callable[[], object] | None = None
    sent: list[bytes] = field(default_factory=list)
    cuts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def rounds(self) -> int:
        """How many rounds there were."""
        return len(self.sent)

    def begin(
        self,
        at: int | bytes | None = None,
        *,
        after: bool = False,
        instead: Callable[[], object] | None = None,
    ) -> None:
        """Count from here on, and act at this round, once."""
        with self._lock:
            self.at, self.after, self.instead = at, after, instead
            self.sent.clear()
            self.cuts = 0

    def next(self, data: bytes) -> tuple[bool, bool]:
        """Whether this round reaches the server, and whether its answer comes back."""
        with self._lock:
            self.sent.append(data)
            if self.cuts or not self._is_here(data):
                return True, True
            self.cuts += 1
            if self.instead is None:
                return self.after, False
            self.instead()
            return True, True

    def _is_here(self, data: bytes) -> bool:
        return self.at in data if isinstance(self.at, bytes) else self.at == self.rounds


@dataclass
class _Way:
    """The way of one client, there and back."""

    cut: Cut
    client: socket.socket
    server: socket.socket

    def serve(self, target: str) -> None:
        with self.client, self.server, suppress(OSError):
            self.server.connect(target)
            back = threading.Thread(target=self._pour_back, daemon=True)
            back.start()
            while data := self.client.recv(_PIECE):
                reaches, is_answered = self.cut.next(data)
                if not is_answered:
                    # First of all nothing comes back any more; then what was sent goes its way.
                    self.client.shutdown(socket.SHUT_RDWR)
                if reaches:
                    self.server.sendall(data)
                if not is_answered:
                    self.server.shutdown(socket.SHUT_WR)
                    back.join(_LAST_WORK_SECONDS)
                    return

    def _pour_back(self) -> None:
        with suppress(OSError):
            while data := self.server.recv(_PIECE):
                with suppress(OSError):
                    self.client.sendall(data)
        with suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR)


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
        with suppress(OSError):
            while True:
                client, _address = listener.accept()
                way = _Way(cut, client, socket.socket(socket.AF_UNIX))
                threading.Thread(target=way.serve, args=(target,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield url.update_query_dict({"host": str(folder), "port": _PORT}), cut
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        own.unlink()
