"""The runs that a plan froze, in the operation's file ``ids.zst``: one line each, as COPY has them.

A line's fields are the run's id, its ``created_at`` as PostgreSQL printed it, its name, and a flag:
``o`` for a run that had no row of its own. The last line is COPY's end, ``\\.``. The file is zstd
frames with checksums, of some thousand lines each: a frame is found to be whole before any of its
lines is believed. ``zstd -dc ids.zst`` shows them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import zstandard

from runmanager.archive.copy_lines import fields_of, line_of, read_field, write_field
from runmanager.errors import ArchiveError
from runmanager.records import FrozenRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runmanager.folders import Folder, Sink, Source

NAME = "ids.zst"
_LEVEL = 1
_FRAME = 256 * 1024
_CHUNK = 64 * 1024
_ORPHAN = b"o"
_FIELDS = 4
_END = b"\\.\n"


class IdsSink:
    """The file while it is written; memory does not grow with it."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._compressor = zstandard.ZstdCompressor(_LEVEL, write_checksum=True)
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, run: FrozenRun) -> None:
        """Write one run."""
        fields = map(write_field, (run.thread_id, run.stamp, run.name))
        self.copy([line_of([*fields, _ORPHAN if run.is_orphan else b""])])

    def copy(self, lines: Iterable[bytes]) -> None:
        """Write whole lines as they are, each of a run."""
        for line in lines:
            self._lines.append(line)
            self._size += len(line)
            if self._size >= _FRAME:
                self._end_frame()

    def end(self) -> None:
        """Write what is left of it."""
        self.copy([_END])
        self._end_frame()

    def _end_frame(self) -> None:
        if self._lines:
            self._sink.write(self._compressor.compress(b"".join(self._lines)))
            self._lines.clear()
            self._size = 0


@contextmanager
def writing_ids(folder: Folder) -> Iterator[IdsSink]:
    """The file of ``folder``, to be written; it appears, durable, at the end of the block."""
    with folder.writing(NAME) as sink:
        ids = IdsSink(sink)
        yield ids
        ids.end()


def read_ids(folder: Folder) -> Iterator[FrozenRun]:
    """The runs in the order in which they were written, one by one.

    Raises FileMissingError where there is no such file, and ArchiveError for one that is damaged.
    """
    is_over = False
    with folder.reading(NAME) as source:
        for frame in _frames(source):
            for line in frame.splitlines(keepends=True):
                if is_over:
                    raise _damaged()
                is_over = line == _END
                if not is_over:
                    yield _run(line)
    if not is_over:
        raise _damaged()


def _run(line: bytes) -> FrozenRun:
    fields = fields_of(line)
    if len(fields) != _FIELDS or not line.endswith(b"\n"):
        raise _damaged()
    thread_id, stamp, name = map(read_field, fields[:3])
    if thread_id is None:
        raise _damaged()
    # A list shows a run whose name is blank by its id.
    title = name if name and name.strip() else None
    return FrozenRun(thread_id, stamp, title, is_orphan=fields[3] == _ORPHAN)


def _frames(source: Source) -> Iterator[bytes]:
    """What each frame holds, once its checksum is seen to be right."""
    decompressor = zstandard.ZstdDecompressor()
    frame, parts, data = decompressor.decompressobj(), [b""], b""
    while data := data or source.read(_CHUNK):
        try:
            parts.append(frame.decompress(data))
        except zstandard.ZstdError:
            raise _damaged() from None
        data = b""
        if frame.eof:
            yield b"".join(parts)
            data = frame.unused_data
            frame, parts = decompressor.decompressobj(), [b""]


def _damaged() -> ArchiveError:
    return ArchiveError(
        f"The list of the runs of this operation ({NAME}) is damaged: nothing can be done by it. "
        "Put the file back from a copy, or plan anew."
    )
