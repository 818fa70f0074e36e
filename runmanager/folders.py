"""The files of one operation, wherever they are kept: each is there whole and for good, or not."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


class Sink(Protocol):
    """A file that is being written."""

    def write(self, data: bytes) -> object:
        """Add ``data`` at its end."""


class Source(Protocol):
    """A file that is being read, from its beginning to its end."""

    def read(self, size: int = -1, /) -> bytes:
        """The next ``size`` bytes at the most, all of the rest without; empty at its end."""


class Folder(Protocol):
    """The files of one operation.

    What is written is durable once the call, or the block, has ended: a crash or a power cut
    afterwards does not take it away, and nobody ever sees half of a file. Every method raises
    ArchiveError, in one sentence that says what to do, where the place does not do it; StoreError
    where the place is Run Manager's own store, which may answer again in a moment.
    """

    def names(self) -> tuple[str, ...]:
        """The names of its files, sorted; () where there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Let the file ``name`` hold ``data``, in place of what it held."""

    def writing(self, name: str) -> AbstractContextManager[Sink]:
        """The file ``name``, written piece by piece; it appears at the end of the block.

        An exception inside leaves what was there before.
        """

    def reading(self, name: str) -> AbstractContextManager[Source]:
        """The file ``name``. Raises FileMissingError where there is none."""

    def read(self, name: str) -> bytes:
        """All of the file ``name``. Raises FileMissingError where there is none."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove these files; those that are not there are no error.

        Raises ArchiveError where one of them is there all the same.
        """

    def remove_half_written(self) -> None:
        """Remove what a process that died in ``writing`` has left, which ``names`` do not have.

        Only while nobody else can be at work on the operation: it would be taken from under them.
        """


@dataclass(frozen=True)
class FencedFolder:
    """A folder in which no file appears once another instance works on the operation.

    Whoever slept through their lease, and lost their connection meanwhile, would put what they were
    writing in the place of their successor's file, which has the same number. ``require_lease`` is
    asked in the last moment before a file appears, and raises LeaseLostError.
    """

    inner: Folder
    require_lease: Callable[[], None]

    @property
    def scratch(self) -> Path | None:
        """Where its temporary files go; None where that is no matter of its own."""
        found: Path | None = getattr(self.inner, "scratch", None)
        return found

    def names(self) -> tuple[str, ...]:
        """The names of its files."""
        return self.inner.names()

    def write(self, name: str, data: bytes) -> None:
        """Let the file ``name`` hold ``data``."""
        self.require_lease()
        self.inner.write(name, data)

    @contextmanager
    def writing(self, name: str) -> Iterator[Sink]:
        """The file ``name``, which appears at the end of the block."""
        with self.inner.writing(name) as sink:
            yield sink
            self.require_lease()

    def reading(self, name: str) -> AbstractContextManager[Source]:
        """The file ``name``."""
        return self.inner.reading(name)

    def read(self, name: str) -> bytes:
        """All of the file ``name``."""
        return self.inner.read(name)

    def remove(self, names: Iterable[str]) -> None:
        """Remove these files."""
        self.inner.remove(names)

    def remove_half_written(self) -> None:
        """Remove what a process that died has left."""
        self.inner.remove_half_written()
