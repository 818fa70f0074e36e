"""The files of one operation, wherever they are kept: each is there whole and for good, or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager


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
    ArchiveError, in one sentence that says what to do, where the place does not do it.
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
