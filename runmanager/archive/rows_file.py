r"""The file of one batch's rows: a script that PostgreSQL's own ``psql`` puts back.

The format, number 2, of ``NNNNNN.sql.zst``. It is zstd frames one after another, each with its
checksum, which ``zstd -dc`` gives as one text; its bytes are UTF-8, its lines end in ``\n``:

1. The **head**, one frame. Its first line is a comment for people, its second ``-- `` and the
   header: one line of JSON in ASCII (``RowsHeader.to_json``). Then ``SET`` lines (``SETTINGS``,
   client_encoding, statement_timeout, search_path); and ``SET CONSTRAINTS ALL DEFERRED;`` where
   tables refer to each other in a circle. There is no BEGIN and no COMMIT.
2. **One frame a table**, in the order of the header's ``tables``, parents before children; tables
   without a row are left out of both::

       COPY "schema"."table" ("thread_id", "other") FROM stdin;
       one line a row, as COPY's text form has it
       \.

   and an empty line. The first is ``ArchivedTable.copy_statement``: a name in it may have a line
   break, so a reader passes over just that. Every stored column is there but generated ones, which
   the database computes again. Where ``run_column`` is 0 the first column is the id of the row's
   run, printed as COPY prints it (escaped); lines of several runs may be mixed. Where it is null no
   column is: the lines come run by run, in the order of ``rows``, which says how many each run has.
   The sum of ``rows`` is the number of lines. A table with ``whole`` false lacks columns that the
   role could not read.
3. The **references**, one frame, only where ``references`` is not 0: for each row that stayed and
   whose reference to a row that went the database cleared, a line of JSON in a comment, then one
   line that puts it back where it is still empty (``script.statement_of``)::

       -- {"table": "invoices", "schema": "public", "relation": "invoices", "constraint": "…",
           "run": "th-1", "key": {"id": "7"}, "set": {"thread_id": "th-1"}}        (in one line)
       UPDATE "public"."invoices" SET "thread_id" = 'th-1' WHERE "id" = '7' AND "thread_id" IS NULL;

   ``key`` and ``set`` are printed values by column, ``run`` the run that was referred to, ``table``
   how the table is shown. With several columns each may be NULL or what it was, and one at least is
   NULL. A line break in a value or a name is written as its escape, in ``E'…'`` and ``U&"…"``.

A row can refer, or have referred, to one of a batch before or after. So the files of an operation
are put back **from the last to the first**: what a later batch took was still there when an earlier
one went, and a reference that an earlier one cleared may be in a row that a later one took.

In format 1, which is still read, texts and names in the head and in the references have their line
breaks as they are, and the JSON of a reference has ``types`` beside, which nobody reads any more.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import zstandard

from runmanager.archive.faults import explained
from runmanager.archive.rows_format import (
    END_OF_ROWS,
    FORMAT,
    ArchivedTable,
    RowsHeader,
    Unrecorded,
    file_name,
)
from runmanager.archive.script import head_of, statement_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from runmanager.folders import Folder, Sink

_LEVEL = 1
# What one table has in memory, compressed, before it goes to a temporary file.
_SPOOLED = 4 << 20
_CHUNK = 1 << 20
_SPOOL = "The folder for temporary files of the archive"


@dataclass(frozen=True)
class Reference:
    """A reference that the deletion clears in a row that stays: whose, and what it was.

    ``key`` tells the row, ``values`` are the referring columns; both as PostgreSQL prints them.
    ``run`` is the thread_id of the run that was referred to.
    """

    table: str
    schema: str
    relation: str
    constraint: str
    run: str
    key: Mapping[str, str]
    values: Mapping[str, str]

    def lines(self) -> bytes:
        """What a file has of it."""
        said = {
            "table": self.table,
            "schema": self.schema,
            "relation": self.relation,
            "constraint": self.constraint,
            "run": self.run,
            "key": dict(self.key),
            "set": dict(self.values),
        }
        place = (self.schema, self.relation)
        return f"-- {json.dumps(said)}\n".encode() + statement_of(
            place, self.key, self.values, FORMAT
        )


class _Frame:
    """One frame of a file, compressed as it comes and kept until all are there."""

    def __init__(self, scratch: Path | None) -> None:
        # Not named, and not seen by anybody: a crash leaves none behind.
        place = None if scratch is None else str(scratch)
        self._spool = tempfile.SpooledTemporaryFile(_SPOOLED, dir=place)  # noqa: SIM115  close()
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()

    def write(self, data: bytes) -> None:
        with explained(_SPOOL):
            self._spool.write(self._compressor.compress(data))

    def end(self) -> None:
        with explained(_SPOOL):
            self._spool.write(self._compressor.flush())

    def pour(self, sink: Sink) -> int:
        """Write all of it to ``sink``; how many bytes that were."""
        size = 0
        with explained(_SPOOL):
            self._spool.seek(0)
        while True:
            with explained(_SPOOL):
                data = self._spool.read(_CHUNK)
            if not data:
                return size
            sink.write(data)
            size += len(data)

    def close(self) -> None:
        self._spool.close()


class TableSink:
    """The rows of one table on their way into the file."""

    def __init__(self, frame: _Frame) -> None:
        self._frame = frame
        self.rows: Counter[str] = Counter()

    def write(self, lines: bytes) -> None:
        """Add whole lines. ``rows`` has to say whose they are at the end of the block."""
        self._frame.write(lines)


class RowsFile:
    """The file of one batch's rows while it is written; nobody sees it before ``finish``."""

    def __init__(self, folder: Folder, number: int) -> None:
        self._folder = folder
        self._number = number
        self._scratch: Path | None = getattr(folder, "scratch", None)
        self._tables: list[tuple[ArchivedTable, _Frame]] = []
        self._frames: list[_Frame] = []
        self._references: _Frame | None = None
        self._unrecorded: list[Unrecorded] = []
        self._count = 0
        self._has_circle = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back memory and temporary files."""
        for frame in self._frames:
            frame.close()

    def expect_circle(self) -> None:
        """Let constraints that can wait do so, while tables that refer to each other come back."""
        self._has_circle = True

    @contextmanager
    def table(self, table: ArchivedTable) -> Iterator[TableSink]:
        """Takes the rows of one table. Children come before their parents.

        Where ``run_column`` is None the lines come run by run, in the order of the sink's ``rows``.
        """
        frame = self._new_frame()
        sink = TableSink(frame)
        frame.write(table.copy_statement)
        yield sink
        frame.write(END_OF_ROWS)
        frame.end()
        if sink.rows:
            self._tables.append((replace(table, rows=dict(sink.rows)), frame))

    def refer(self, reference: Reference) -> None:
        """Add a reference that the deletion clears."""
        if self._references is None:
            self._references = self._new_frame()
        self._references.write(reference.lines())
        self._count += 1

    def leave_out(self, unrecorded: Unrecorded) -> None:
        """Say that references are cleared which the file does not have."""
        self._unrecorded.append(unrecorded)

    def finish(self, header: RowsHeader) -> int:
        """Write the file, durable at the end of the call; its size in bytes.

        Of ``header`` the tables and references are filled in here. Raises ArchiveError.
        """
        self._tables.reverse()
        full = replace(
            header,
            batch=self._number,
            tables=tuple(table for table, _frame in self._tables),
            references=self._count,
            unrecorded=tuple(self._unrecorded),
        )
        head = self._new_frame()
        head.write(head_of(full, has_circle=self._has_circle))
        head.end()
        if self._references is not None:
            self._references.end()
        frames = [head, *(frame for _table, frame in self._tables), self._references]
        with self._folder.writing(file_name(self._number)) as sink:
            return sum(frame.pour(sink) for frame in frames if frame is not None)

    def _new_frame(self) -> _Frame:
        frame = _Frame(self._scratch)
        self._frames.append(frame)
        return frame
