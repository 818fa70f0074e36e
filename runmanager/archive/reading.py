"""Reading a batch's file of rows: what it says of itself, its lines run by run, its references.

``rows_file.py`` says what such a file looks like. Nothing is ever searched for in it: what comes
next stands just behind what was read, and a file where it does not is damaged. Lines are handed on
as they come and are never decoded, so that a run of a million lines needs no more memory than one
of ten.
"""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

import zstandard

from runmanager.archive.copy_lines import read_field
from runmanager.archive.rows_format import (
    END_OF_ROWS,
    FIRST_LINE,
    READABLE,
    UNFIT,
    RowsHeader,
    file_name,
)
from runmanager.archive.script import CIRCLE, END_OF_HEAD, settings_of, statement_of
from runmanager.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from runmanager.archive.rows_format import ArchivedTable
    from runmanager.folders import Folder

_BUFFER_BYTES = 1 << 18
_END = b"\\.\n"
_AFTER_END = END_OF_ROWS.removeprefix(_END)


@dataclass(frozen=True)
class ArchivedReference:
    """A reference that the deletion cleared in a row that stayed: what it was, and in which row.

    ``table`` is how the table is shown, ``schema`` and ``relation`` are what it is called. ``key``
    says which row it is, ``set`` what its columns held.
    """

    table: str
    schema: str
    relation: str
    constraint: str
    run: str
    key: Mapping[str, str]
    set: Mapping[str, str]

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """What a file says of one. Raises TypeError or KeyError for what none says."""
        names = ("table", "schema", "relation", "constraint", "run")
        texts = [found[name] for name in names]
        columns = [dict(found[name]) for name in ("key", "set")]
        values = [value for one in columns for value in one.values()]
        if not all(isinstance(text, str) for text in [*texts, *values]) or not all(columns):
            raise TypeError
        return cls(*texts, *columns)


class RowsReader:
    """One file of rows, read once from its beginning to its end: its tables, then references."""

    def __init__(self, text: io.BufferedReader[io.RawIOBase], name: str) -> None:
        self._text = text
        self._name = name
        self.header = self._read_head()

    def tables(
        self, only: Collection[str] | None = None
    ) -> Iterator[tuple[ArchivedTable, Iterator[tuple[str, bytes]]]]:
        """Each table with its lines: whose run each is of, and the line as COPY takes it in.

        With ``only`` the lines of those runs alone. The next table begins where the lines of the
        one before end: what was not read of them is passed over.
        """
        for table in self.header.tables:
            self._pass(table.copy_statement)
            lines = self._lines(table, only)
            yield table, lines
            for _line in lines:
                pass

    def references(self, only: Collection[str] | None = None) -> Iterator[ArchivedReference]:
        """The references that were cleared, to those of the runs; read after the tables."""
        for _number in range(self.header.references):
            found = self._json(self._line())
            try:
                reference = ArchivedReference.from_json(found)
                place = (reference.schema, reference.relation)
                statement = statement_of(place, reference.key, reference.set, self.header.format)
            except UNFIT:
                raise self._damaged() from None
            self._pass(statement)
            if only is None or reference.run in only:
                yield reference
        if self._text.read(1):
            raise self._damaged()

    def _read_head(self) -> RowsHeader:
        self._pass(FIRST_LINE)
        found = self._json(self._line())
        if found.get("format") not in READABLE:
            raise ArchiveError(
                f"The file {self._name} of the archive was written by another version of Run "
                "Manager: restore it with that one, or with psql."
            )
        try:
            header = RowsHeader.from_json(found)
            settings = settings_of(header)
        except UNFIT:
            raise self._damaged() from None
        self._pass(settings)
        line = self._line()
        if line == CIRCLE:
            line = self._line()
        if line != END_OF_HEAD:
            raise self._damaged()
        return header

    def _json(self, comment: bytes) -> dict[str, Any]:
        try:
            found: object = json.loads(comment.removeprefix(b"-- "))
        except (ValueError, RecursionError):
            raise self._damaged() from None
        if not isinstance(found, dict) or not comment.startswith(b"-- "):
            raise self._damaged()
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
        left = sum(table.rows.values())
        while (line := self._line()) != _END:
            left -= 1
            field = line[: end if (end := line.find(b"\t")) >= 0 else -1]
            run = runs.get(field)
            if run is None:
                text = self._text_of(field)
                # A char(n) is printed with its blanks, and is an id without them.
                run = runs[field] = text if text in table.rows else text.rstrip(" ")
                if run not in table.rows:
                    raise self._damaged()
            yield run, line
        if left:
            raise self._damaged()
        self._pass(_AFTER_END)

    def _text_of(self, field: bytes) -> str:
        try:
            return read_field(field) or ""
        except UnicodeDecodeError:
            raise self._damaged() from None

    def _by_order(self, table: ArchivedTable) -> Iterator[tuple[str, bytes]]:
        for run, rows in table.rows.items():
            for _number in range(rows):
                line = self._line()
                if line == _END:
                    raise self._damaged()
                yield run, line
        self._pass(END_OF_ROWS)

    def _pass(self, known: bytes) -> None:
        """Go on behind ``known``, which is what comes next."""
        if self._text.read(len(known)) != known:
            raise self._damaged()

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
            rows = RowsReader(text, name)
            if rows.header.batch != number:
                raise ArchiveError(damaged(name))
            yield rows
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
