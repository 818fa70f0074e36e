"""Reading a batch's file of rows: what it says of itself, its lines run by run, its references.

``rows_file.py`` says what such a file looks like. Lines are handed on as they come and are never
decoded, so that a run of a million lines needs no more memory than one of ten.
"""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import zstandard

from runmanager.archive.copy_lines import read_field
from runmanager.archive.rows_format import FORMAT, RowsHeader, file_name
from runmanager.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from runmanager.archive.rows_format import ArchivedTable
    from runmanager.folders import Folder

_BUFFER_BYTES = 1 << 18
_END = b"\\.\n"


@dataclass(frozen=True)
class ArchivedReference:
    """A reference that the deletion cleared in a row that stayed: what it was, and in which row.

    ``table`` is how the table is shown, ``schema`` and ``relation`` are what it is called. ``key``
    says which row it is, ``set`` what its columns held, ``types`` of which types both are.
    """

    table: str
    schema: str
    relation: str
    constraint: str
    run: str
    key: Mapping[str, str]
    set: Mapping[str, str | None]
    types: Mapping[str, str]


class RowsReader:
    """One file of rows, read once from its beginning to its end: its tables, then references."""

    def __init__(self, text: io.BufferedReader[io.RawIOBase], name: str) -> None:
        self._text = text
        self._name = name
        self.header = self._read_header()

    def tables(
        self, only: Collection[str] | None = None
    ) -> Iterator[tuple[ArchivedTable, Iterator[tuple[str, bytes]]]]:
        """Each table with its lines: whose run each is of, and the line as COPY takes it in.

        With ``only`` the lines of those runs alone. The next table begins where the lines of the
        one before end: what was not read of them is passed over.
        """
        for table in self.header.tables:
            self._skip_to(b"COPY ")
            lines = self._lines(table, only)
            yield table, lines
            for _line in lines:
                pass

    def references(self, only: Collection[str] | None = None) -> Iterator[ArchivedReference]:
        """The references that were cleared, to those of the runs; read after the tables."""
        for _number in range(self.header.references):
            found = self._json(self._skip_to(b"-- {"))
            if only is None or found["run"] in only:
                yield ArchivedReference(**found)

    def _read_header(self) -> RowsHeader:
        self._line()
        found = self._json(self._line())
        if found.get("format") != FORMAT:
            raise ArchiveError(
                f"The file {self._name} of the archive was written by another version of Run "
                "Manager: restore it with that one, or with psql."
            )
        return RowsHeader.from_json(found)

    def _json(self, comment: bytes) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(comment.removeprefix(b"-- "))
        except ValueError:
            raise self._damaged() from None
        return found

    def _lines(
        self, table: ArchivedTable, only: Collection[str] | None
    ) -> Iterator[tuple[str, bytes]]:
        runs = self._by_order(table) if table.run_column is None else self._by_field(table)
        for run, line in runs:
            if only is None or run in only:
                yield run, line

    def _by_field(self, table: ArchivedTable) -> Iterator[tuple[str, bytes]]:
        runs: dict[bytes, str] = {}
        while (line := self._line()) != _END:
            field = line[: end if (end := line.find(b"\t")) >= 0 else -1]
            run = runs.get(field)
            if run is None:
                text = read_field(field) or ""
                # A char(n) is printed with its blanks, and is an id without them.
                run = runs[field] = text if text in table.rows else text.rstrip(" ")
                if run not in table.rows:
                    raise self._damaged()
            yield run, line

    def _by_order(self, table: ArchivedTable) -> Iterator[tuple[str, bytes]]:
        for run, rows in table.rows.items():
            for _number in range(rows):
                line = self._line()
                if line == _END:
                    raise self._damaged()
                yield run, line
        if self._line() != _END:
            raise self._damaged()

    def _skip_to(self, beginning: bytes) -> bytes:
        while not (line := self._line()).startswith(beginning):
            pass
        return line

    def _line(self) -> bytes:
        line = self._text.readline()
        if not line.endswith(b"\n"):
            raise self._damaged()
        return line

    def _damaged(self) -> ArchiveError:
        return ArchiveError(damaged(self._name))


@contextmanager
def open_rows(folder: Folder, number: int) -> Iterator[RowsReader]:
    """The rows of batch ``number``. Raises FileMissingError where there are none."""
    name = file_name(number)
    try:
        with folder.reading(name) as source:
            frames = zstandard.ZstdDecompressor().stream_reader(
                source,  # type: ignore[arg-type]  # of a file it uses read() only
                read_across_frames=True,
            )
            text = io.BufferedReader(cast("io.RawIOBase", frames), _BUFFER_BYTES)
            yield RowsReader(text, name)
    except zstandard.ZstdError as error:
        raise ArchiveError(damaged(name)) from error


def read_header(folder: Folder, number: int) -> RowsHeader:
    """What the rows of batch ``number`` are of; little more than that is read."""
    with open_rows(folder, number) as rows:
        return rows.header


def damaged(name: str) -> str:
    """That a file is not what was written."""
    return (
        f"The file {name} of the archive is damaged, so nothing is restored from it. Put it back "
        "from a copy of the archive, then try again."
    )
