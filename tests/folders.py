"""A folder of an operation in memory: what a test writes there and reads from there."""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runmanager.errors import FileMissingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runmanager.folders import Sink, Source


@dataclass
class MemoryFolder:
    """Files by their names."""

    files: dict[str, bytes] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        """The names of its files, sorted."""
        return tuple(sorted(self.files))

    def write(self, name: str, data: bytes) -> None:
        """Let a file hold ``data``."""
        self.files[name] = data

    @contextmanager
    def writing(self, name: str) -> Iterator[Sink]:
        """A file that is there at the end of the block."""
        made = io.BytesIO()
        yield made
        self.files[name] = made.getvalue()

    @contextmanager
    def reading(self, name: str) -> Iterator[Source]:
        """A file to read."""
        yield io.BytesIO(self.read(name))

    def read(self, name: str) -> bytes:
        """All of a file."""
        if name not in self.files:
            raise FileMissingError
        return self.files[name]

    def remove(self, names: Iterable[str]) -> None:
        """Remove these."""
        for name in names:
            self.files.pop(name, None)
