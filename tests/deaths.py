"""A process that dies before the n-th thing it does to its database or files, as kill -9 has it.

From that moment on nothing of it has any effect: no rollback is sent, no file is tidied up, and the
server sees its connections end.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.database import Database
from runmanager.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runmanager.folders import Folder, Sink, Source


class KilledError(BaseException):
    """The process is no more."""


@dataclass
class Life:
    """One life of a process: with ``at`` it ends before that step; ``steps`` is what each was."""

    at: int | None = None
    steps: list[str] = field(default_factory=list)
    is_over: bool = False
    connections: list[Any] = field(default_factory=list)

    def step(self, what: str) -> None:
        """Come to the next step. Raises KilledError where life ends before it, and ever after."""
        if not self.is_over:
            self.steps.append(what)
            self.is_over = len(self.steps) == self.at
            for connection in self.connections if self.is_over else ():
                connection.pgconn.finish()
        if self.is_over:
            raise KilledError

    @contextmanager
    def database(self, url: sa.URL) -> Iterator[Database]:
        """A database whose every round to the server is a step."""
        database = Database(url, Settings(pool_size=4, lock_timeout=5.0))
        sa.event.listen(database._engine, "connect", self._connected)
        try:
            yield database
        finally:
            for connection in self.connections:
                connection.pgconn.finish()
            database.close()

    def _connected(self, connection: Any, _record: object) -> None:
        self.connections.append(connection)
        wait = connection.wait
        self.step("connect")

        def waited(*values: Any, **options: Any) -> Any:
            # Who tidies up afterwards meets a connection that has ended.
            if not self.is_over:
                self.step("round")
            return wait(*values, **options)

        connection.wait = waited


@dataclass
class MortalFolder:
    """A folder whose every use is a step of a life."""

    folder: Folder
    life: Life

    def names(self) -> tuple[str, ...]:
        """The names of its files."""
        self.life.step("names")
        return self.folder.names()

    def write(self, name: str, data: bytes) -> None:
        """Let a file hold ``data``."""
        self.life.step(f"write {name}")
        self.folder.write(name, data)

    @contextmanager
    def writing(self, name: str) -> Iterator[Sink]:
        """A file that is there at the end of the block."""
        self.life.step(f"begin {name}")
        with self.folder.writing(name) as sink:
            yield sink
            self.life.step(f"end {name}")

    @contextmanager
    def reading(self, name: str) -> Iterator[Source]:
        """A file to read."""
        self.life.step(f"read {name}")
        with self.folder.reading(name) as source:
            yield source

    def read(self, name: str) -> bytes:
        """All of a file."""
        self.life.step(f"read {name}")
        return self.folder.read(name)

    def remove(self, names: Iterable[str]) -> None:
        """Remove these, one at a time."""
        for name in list(names):
            self.life.step(f"remove {name}")
            self.folder.remove([name])

    def remove_half_written(self) -> None:
        """Remove what an earlier life has left."""
        self.life.step("remove half written")
        self.folder.remove_half_written()
