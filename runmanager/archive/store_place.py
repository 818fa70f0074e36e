"""The archive that is off: what an operation needs to be gone on with, in Run Manager's own store.

No rows are kept here, so the files are small; they are written and read in parts all the same, each
in a short transaction. Where the store does not answer StoreError is raised, and not ArchiveError:
it may be over in a moment, and whoever waits for the store waits for this too.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from runmanager.archive.faults import missing
from runmanager.archive.marker import require_operation_id
from runmanager.errors import StoreError
from runmanager.store import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runmanager.store import Store


class StorePlace:
    """Rows of the store's own table."""

    name = "Run Manager's store"

    def __init__(self, store: Store) -> None:
        self._store = store

    def folder(self, operation_id: str) -> StoreFolder:
        """The files of one operation."""
        return StoreFolder(self._store, require_operation_id(operation_id))

    def remove(self, operation_id: str) -> None:
        """Remove all files of an operation, those half written too."""
        with self._store.write() as connection:
            files.remove_all(connection, require_operation_id(operation_id))

    def size(self, operation_id: str) -> int:
        """How many bytes the files of an operation have."""
        with self._store.read() as connection:
            return files.size(connection, require_operation_id(operation_id))

    def operations(self) -> tuple[str, ...]:
        """The ids of the operations that have files."""
        with self._store.read() as connection:
            return files.operation_ids(connection)

    def free(self) -> int | None:
        """Nobody knows."""
        return None


class StoreFolder:
    """The files of one operation in the store."""

    def __init__(self, store: Store, operation_id: str) -> None:
        self._store = store
        self._id = operation_id

    def names(self) -> tuple[str, ...]:
        """The names of its files, sorted, without those half written."""
        with self._store.read() as connection:
            return files.names(connection, self._id)

    def write(self, name: str, data: bytes) -> None:
        """Let the file ``name`` hold ``data``."""
        with self._store.write() as connection:
            files.put(connection, self._id, name, data)

    @contextmanager
    def writing(self, name: str) -> Iterator[StoreSink]:
        """The file ``name``, which gets its name at the end."""
        sink = StoreSink(self._store, self._id, f".{name}.{secrets.token_hex(4)}")
        try:
            yield sink
            sink.end()
            with self._store.write() as connection:
                files.rename(connection, self._id, sink.name, name)
        except BaseException:
            with suppress(StoreError), self._store.write() as connection:
                files.remove(connection, self._id, [sink.name])
            raise

    @contextmanager
    def reading(self, name: str) -> Iterator[StoreSource]:
        """The file ``name``."""
        yield StoreSource(self._store, self._id, name)

    def read(self, name: str) -> bytes:
        """All of the file ``name``."""
        with self.reading(name) as file:
            return file.read()

    def remove(self, names: Iterable[str]) -> None:
        """Remove these files; those that are not there are no error."""
        with self._store.write() as connection:
            files.remove(connection, self._id, names)

    def remove_half_written(self) -> None:
        """Remove what a process that died while it wrote has left."""
        with self._store.write() as connection:
            files.remove_half_written(connection, self._id)


class StoreSink:
    """A file that is being written, part by part."""

    def __init__(self, store: Store, operation_id: str, name: str) -> None:
        self.name = name
        self._store = store
        self._id = operation_id
        self._waiting = bytearray()
        self._parts = 0

    def write(self, data: bytes) -> int:
        """Add ``data`` at its end."""
        self._waiting += data
        while len(self._waiting) >= files.PART_BYTES:
            self._put(files.PART_BYTES)
        return len(data)

    def end(self) -> None:
        """Write what is left; of an empty file too."""
        if self._waiting or not self._parts:
            self._put(len(self._waiting))

    def _put(self, size: int) -> None:
        with self._store.write() as connection:
            files.add_part(
                connection, self._id, self.name, self._parts, bytes(self._waiting[:size])
            )
        del self._waiting[:size]
        self._parts += 1


class StoreSource:
    """A file that is being read, part by part."""

    def __init__(self, store: Store, operation_id: str, name: str) -> None:
        self._store = store
        self._id = operation_id
        self._name = name
        self._read = bytearray()
        self._next: int | None = 0
        self._fetch()
        if self._next is None:
            raise missing(name)

    def read(self, size: int = -1, /) -> bytes:
        """The next ``size`` bytes at the most, all of the rest without."""
        while self._next is not None and not 0 <= size <= len(self._read):
            self._fetch()
        end = len(self._read) if size < 0 else size
        found = bytes(self._read[:end])
        del self._read[:end]
        return found

    def _fetch(self) -> None:
        assert self._next is not None  # noqa: S101  asked only before the end
        with self._store.read() as connection:
            part = files.find_part(connection, self._id, self._name, self._next)
        if part is None:
            self._next = None
        else:
            self._read += part
            self._next += 1
