"""The archive as a folder on a disk: what is written is there after a power cut, whole or not.

By ``os`` itself, step by step: fsspec's local filesystem has no fsync.
"""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from runmanager.archive.faults import explained, missing
from runmanager.archive.marker import MARKER, is_operation_id, require_operation_id
from runmanager.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_NAME = "The folder of the archive"


class LocalPlace:
    """A folder with one folder for each operation; modes 0700 and 0600."""

    name = _NAME

    def __init__(self, path: Path) -> None:
        self._path = path.expanduser().absolute()

    def folder(self, operation_id: str) -> LocalFolder:
        """The files of one operation."""
        return LocalFolder(self._path, require_operation_id(operation_id))

    def remove(self, operation_id: str) -> None:
        """Remove all files of an operation, those half written too."""
        path = self._path / require_operation_id(operation_id)
        require_place(self._path)
        with explained(_NAME), suppress(FileNotFoundError):
            for name in os.listdir(path):
                with suppress(FileNotFoundError):
                    os.unlink(path / name)
            os.rmdir(path)
            _sync_folder(self._path)

    def size(self, operation_id: str) -> int:
        """How many bytes the files of an operation have."""
        path = self._path / require_operation_id(operation_id)
        names = self.folder(operation_id).names()
        with explained(_NAME):
            return sum(os.stat(path / name).st_size for name in names)

    def operations(self) -> tuple[str, ...]:
        """The ids of the operations that have a folder."""
        require_place(self._path)
        with explained(_NAME), os.scandir(self._path) as found:
            return tuple(
                one.name
                for one in found
                if is_operation_id(one.name) and one.is_dir(follow_symlinks=False)
            )

    def free(self) -> int | None:
        """How many bytes there is room for."""
        with explained(_NAME):
            found = os.statvfs(self._path)
        return found.f_bavail * found.f_frsize

    def read_marker(self) -> str | None:
        """What the place says whose it is; None where it says nothing."""
        with explained(_NAME):
            try:
                return (self._path / MARKER).read_text(encoding="utf-8").strip()
            except FileNotFoundError:
                return None

    def write_marker(self, text: str) -> None:
        """Let the place say whose it is; made with it where it is not there."""
        with explained(_NAME):
            if not os.path.isdir(self._path):
                os.makedirs(self._path, 0o700, exist_ok=True)
                _sync_folder(self._path.parent)
        with _written(self._path, MARKER) as file:
            file.write(f"{text}\n".encode())


class LocalFolder:
    """The files of one operation in a folder of their own, which is made with the first of them."""

    def __init__(self, place: Path, operation_id: str) -> None:
        self._place = place
        self._path = place / operation_id

    @property
    def scratch(self) -> Path:
        """A folder for temporary files, on the disk whose free space was looked at."""
        self._make()
        return self._path

    def names(self) -> tuple[str, ...]:
        """The names of its files, sorted, without those half written."""
        with explained(_NAME), suppress(FileNotFoundError):
            found = os.listdir(self._path)
            return tuple(sorted(name for name in found if not name.startswith(".")))
        require_place(self._place)
        return ()

    def write(self, name: str, data: bytes) -> None:
        """Let the file ``name`` hold ``data``."""
        with self.writing(name) as file:
            file.write(data)

    @contextmanager
    def writing(self, name: str) -> Iterator[LocalSink]:
        """The file ``name``, written beside what was there and put in its place at the end."""
        self._make()
        with _written(self._path, name) as file:
            yield file

    @contextmanager
    def reading(self, name: str) -> Iterator[LocalSource]:
        """The file ``name``."""
        with explained(_NAME):
            try:
                file = (self._path / name).open("rb")
            except FileNotFoundError:
                require_place(self._place)
                raise missing(name) from None
        with file:
            yield LocalSource(file)

    def read(self, name: str) -> bytes:
        """All of the file ``name``."""
        with self.reading(name) as file:
            return file.read()

    def remove(self, names: Iterable[str]) -> None:
        """Remove these files; those that are not there are no error."""
        require_place(self._place)
        with explained(_NAME), suppress(FileNotFoundError):
            for name in names:
                with suppress(FileNotFoundError):
                    os.unlink(self._path / name)
            _sync_folder(self._path)

    def remove_half_written(self) -> None:
        """Remove what a process that died while it wrote has left."""
        with explained(_NAME):
            try:
                found = [name for name in os.listdir(self._path) if name.startswith(".")]
            except FileNotFoundError:
                found = []
        if found:
            self.remove(found)

    def _make(self) -> None:
        with explained(_NAME):
            if self._path.is_dir():
                return
            require_place(self._place)
            with suppress(FileExistsError):
                os.mkdir(self._path, 0o700)
            _sync_folder(self._place)


class LocalSink:
    """A file that is being written; what the disk refuses is said."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> int:
        """Add ``data`` at its end."""
        left = memoryview(data)
        with explained(_NAME):
            while left:
                left = left[os.write(self._descriptor, left) :]
        return len(data)


class LocalSource:
    """A file that is being read; what the disk refuses is said."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        """The next ``size`` bytes at the most."""
        with explained(_NAME):
            return self._file.read(size)


def require_place(path: Path) -> None:
    """Raises ArchiveError where this is not the folder that the marker is in.

    Where a disk is not mounted its mount point is an empty folder: nothing may be written there,
    and nobody may be told that an operation has no files.
    """
    with explained(_NAME):
        is_there = (path / MARKER).is_file()
    if not is_there:
        raise ArchiveError(
            f"{_NAME} is not there, or another folder is in its place (it has no file {MARKER}): "
            "put it back, or mount its disk again, then try again."
        )


@contextmanager
def _written(folder: Path, name: str) -> Iterator[LocalSink]:
    """A file beside ``name``, which takes its place at the end of the block, durably."""
    half = folder / f".{name}.{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with explained(_NAME):
        descriptor = os.open(half, flags, 0o600)
    try:
        try:
            yield LocalSink(descriptor)
            with explained(_NAME):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with explained(_NAME):
            os.replace(half, folder / name)
            _sync_folder(folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(half)
        raise


def _sync_folder(folder: Path) -> None:
    """Let what was put into or taken out of ``folder`` be so after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
