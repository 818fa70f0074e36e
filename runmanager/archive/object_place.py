"""The archive in an object store: S3 and what else fsspec has a driver for.

A file is put there whole, once it is complete, from a temporary one: an object store shows an
object when it has all of it.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import fsspec

from runmanager.archive.faults import explained, missing
from runmanager.archive.marker import MARKER, is_operation_id, require_operation_id
from runmanager.errors import ArchiveError, RunManagerError, StartError
from runmanager.text import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NAME = "The object store of the archive"
_SCRATCH = "The folder for temporary files"
_CHUNK = 4 << 20
# Rows are locked while a file is put there: who waits for a store that is away is told soon.
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        "config_kwargs": {
            "connect_timeout": 5,
            "read_timeout": 30,
            "retries": {"max_attempts": 2, "mode": "standard"},
        }
    }
}
_TRIES = 2


class _System(Protocol):
    """What is used of fsspec's file systems, which come without types."""

    def ls(self, path: str, detail: bool) -> list[dict[str, Any]]: ...
    def info(self, path: str) -> dict[str, Any]: ...
    def cat_file(self, path: str) -> bytes: ...
    def pipe_file(self, path: str, value: bytes) -> object: ...
    def put_file(self, lpath: str, rpath: str) -> object: ...
    def rm(self, path: str | list[str], recursive: bool = False) -> object: ...
    def open(self, path: str, mode: str, block_size: int) -> Any: ...


class ObjectPlace:
    """A bucket, or a folder in one, with one folder for each operation."""

    name = _NAME

    def __init__(self, url: str) -> None:
        protocol = url.split("://", 1)[0]
        options = _OPTIONS.get(protocol, {})
        try:
            # Another instance may have written since a listing was kept.
            system, path = fsspec.core.url_to_fs(
                url, use_listings_cache=False, skip_instance_cache=True, **options
            )
        except ImportError:
            driver = "s3fs" if protocol == "s3" else f"fsspec's driver for {protocol}"
            raise StartError(
                f"Cannot start: RUNMANAGER_ARCHIVE names an object store, and {driver} is not "
                "installed: install it beside Run Manager, or name a folder."
            ) from None
        except ValueError:
            raise StartError(
                "Cannot start: RUNMANAGER_ARCHIVE names an object store of a kind that is not "
                "known: name a folder, or one such as s3://bucket/folder."
            ) from None
        if hasattr(system, "retries"):
            system.retries = _TRIES
        self._system: _System = system
        self._path = path.rstrip("/")

    def folder(self, operation_id: str) -> ObjectFolder:
        """The files of one operation."""
        return ObjectFolder(self._system, f"{self._path}/{require_operation_id(operation_id)}")

    def remove(self, operation_id: str) -> None:
        """Remove all files of an operation, those half written too."""
        folder = self.folder(operation_id)
        folder.remove(folder.names())
        folder.remove_half_written()

    def size(self, operation_id: str) -> int:
        """How many bytes the files of an operation have."""
        return sum(int(found["size"]) for found in self.folder(operation_id).files().values())

    def operations(self) -> tuple[str, ...]:
        """The ids of the operations that have files."""
        with _explained():
            found = self._system.ls(self._path, detail=True)
        folders = (
            one["name"].rstrip("/").rpartition("/")[2]
            for one in found
            if one["type"] == "directory"
        )
        return tuple(filter(is_operation_id, folders))

    def free(self) -> int | None:
        """Nobody knows."""
        return None

    def read_marker(self) -> str | None:
        """What the place says whose it is; None where it says nothing."""
        with _explained():
            try:
                return self._system.cat_file(f"{self._path}/{MARKER}").decode().strip()
            except FileNotFoundError:
                return None

    def write_marker(self, text: str) -> None:
        """Let the place say whose it is. The bucket has to be there."""
        with _explained():
            self._system.pipe_file(f"{self._path}/{MARKER}", f"{text}\n".encode())


class ObjectFolder:
    """The files of one operation: objects whose names begin alike."""

    def __init__(self, system: _System, path: str) -> None:
        self._system = system
        self._path = path

    def files(self) -> dict[str, dict[str, Any]]:
        """What the store says of each file, by name."""
        with _explained():
            try:
                found = self._system.ls(self._path, detail=True)
            except FileNotFoundError:
                # A bucket that is gone is no bucket without files: this raises then.
                self._system.info(f"{self._path.rpartition('/')[0]}/{MARKER}")
                return {}
        return {one["name"].rpartition("/")[2]: one for one in found if one["type"] == "file"}

    def names(self) -> tuple[str, ...]:
        """The names of its files, sorted."""
        return tuple(sorted(self.files()))

    def write(self, name: str, data: bytes) -> None:
        """Let the file ``name`` hold ``data``."""
        with _explained():
            self._system.pipe_file(f"{self._path}/{name}", data)

    @contextmanager
    def writing(self, name: str) -> Iterator[ObjectSink]:
        """The file ``name``, which is put there at the end."""
        with explained(_SCRATCH):
            # Without a name, so that rows are nowhere after a kill.
            file = tempfile.TemporaryFile()  # noqa: SIM115  closed below
        with file:
            sink = ObjectSink(file)
            yield sink
            with explained(_SCRATCH):
                file.flush()
                file.seek(0)
            path = f"{self._path}/{name}"
            with _explained():
                self._system.put_file(f"/dev/fd/{file.fileno()}", path)
                there = int(self._system.info(path)["size"])
            if there != sink.size:
                raise ArchiveError(
                    f"{_NAME} has {there:,} bytes of a file of {sink.size:,}: look at it, then try "
                    "again."
                )

    @contextmanager
    def reading(self, name: str) -> Iterator[ObjectSource]:
        """The file ``name``."""
        with _explained():
            try:
                file = self._system.open(f"{self._path}/{name}", "rb", block_size=_CHUNK)
            except FileNotFoundError:
                raise missing(name) from None
        with file:
            yield ObjectSource(file)

    def read(self, name: str) -> bytes:
        """All of the file ``name``."""
        with _explained():
            try:
                return self._system.cat_file(f"{self._path}/{name}")
            except FileNotFoundError:
                raise missing(name) from None

    def remove(self, names: Iterable[str]) -> None:
        """Remove these files; those that are not there are no error."""
        there = self.files()
        going = [name for name in names if name in there]
        if not going:
            return
        with _explained():
            self._system.rm([f"{self._path}/{name}" for name in going])
        # A driver may not say which of many the store refused to remove.
        left = self.files().keys() & going
        if left:
            raise ArchiveError(
                f"{_NAME} has not removed {count(len(left), 'file')} that it was told to: give Run "
                "Manager's credentials the right to delete there, see that no lock or retention "
                "keeps the files, then try again."
            )

    def remove_half_written(self) -> None:
        """Remove what a process that died while it wrote has left: uploads that were not ended.

        Only S3 keeps them until they are ended; with others they expire by themselves.
        """
        call = getattr(self._system, "call_s3", None)
        if call is None:
            return
        bucket, _slash, key = self._path.partition("/")
        with _explained():
            where: dict[str, Any] = {"Bucket": bucket, "Prefix": f"{key}/"}
            is_more = True
            while is_more:
                found = call("list_multipart_uploads", **where)
                for one in found.get("Uploads", ()):
                    which = {"Key": one["Key"], "UploadId": one["UploadId"]}
                    call("abort_multipart_upload", Bucket=bucket, **which)
                is_more = bool(found.get("IsTruncated"))
                where |= {
                    "KeyMarker": found.get("NextKeyMarker"),
                    "UploadIdMarker": found.get("NextUploadIdMarker"),
                }


class ObjectSink:
    """A file that is being written, here first."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.size = 0

    def write(self, data: bytes) -> int:
        """Add ``data`` at its end."""
        with explained(_SCRATCH):
            self._file.write(data)
        self.size += len(data)
        return len(data)


class ObjectSource:
    """A file that is being read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        """The next ``size`` bytes at the most."""
        with _explained():
            return self._file.read(size)


@contextmanager
def _explained() -> Iterator[None]:
    """Say what a driver's error means: each has its own, and not all are OSErrors."""
    try:
        yield
    except RunManagerError:
        raise
    except FileNotFoundError:
        raise ArchiveError(
            f"{_NAME} is not there, or another is in its place (it has no {MARKER}): see that "
            "RUNMANAGER_ARCHIVE names the right bucket, then try again."
        ) from None
    except PermissionError:
        raise ArchiveError(
            f"{_NAME} does not let Run Manager in: give its credentials the right to list, read, "
            "write and delete there, then try again."
        ) from None
    except Exception:  # noqa: BLE001  whatever a driver raises, the place did not do it
        raise ArchiveError(
            f"{_NAME} cannot be reached or did not do this, and nothing was written: see that it "
            "answers from here, and that its address and credentials are right, then try again."
        ) from None
