"""A folder of an operation that is in memory: what the contract says of one, and no more."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from runmanager.errors import FileMissingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass
class MemoryFolder:
    """The files by name, each as it was written last."""

    files: dict[str, bytes] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        """Their names, sorted."""
        return tuple(sorted(self.files))

    def write(self, name: str, data: bytes) -> None:
        """Keep one."""
        self.files[name] = data

    @contextmanager
    def writing(self, name: str) -> Iterator[BytesIO]:
        """Keep one at the end of the block, and nothing after an exception."""
        sink = BytesIO()
        yield sink
        self.files[name] = sink.getvalue()

    @contextmanager
    def reading(self, name: str) -> Iterator[BytesIO]:
        """Read one from its beginning."""
        yield BytesIO(self.read(name))

    def read(self, name: str) -> bytes:
        """All of one."""
        if name not in self.files:
            raise FileMissingError
        return self.files[name]

    def remove(self, names: Iterable[str]) -> None:
        """Forget some."""
        for name in names:
            self.files.pop(name, None)

    def remove_half_written(self) -> None:
        """Nothing half written is ever kept."""
