"""What a file of rows says of itself: its header, as values and as JSON.

``rows_file.py`` says what the file looks like around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

from runmanager.archive.values import quoted_name

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 2
# Formats that can be read; what each has in it is made anew to be passed over.
READABLE = (1, FORMAT)
SUFFIX = ".sql.zst"
FIRST_LINE = (
    b"-- Run Manager: rows of deleted runs. Put them back, the last file of an operation first: "
    b"zstd -dc FILE | psql -X -v ON_ERROR_STOP=1 --single-transaction DATABASE\n"
)
# Inside the transaction that archives, and again before the rows are put back: what a value is
# printed as depends on these, and so does what is read from it. They are part of the format.
SETTINGS: Mapping[str, str] = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "xmloption": "content",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
}


END_OF_ROWS = b"\\.\n\n"
# What reading JSON raises that no file of ours has.
UNFIT = (KeyError, TypeError, ValueError, AttributeError)
_T = TypeVar("_T")


def file_name(number: int) -> str:
    """The name of the file that holds the rows of batch ``number``."""
    return f"{number:06}{SUFFIX}"


@dataclass(frozen=True)
class ArchivedColumn:
    """A column as it was: ``attnum`` is the same after it has been renamed."""

    name: str
    type: str
    attnum: int


@dataclass(frozen=True)
class ArchivedTable:
    """A table whose rows are in a file.

    ``name`` is how it is shown; ``schema`` and ``table`` are those of the real table, or of a view
    where nothing is known behind it. ``columns`` are in the order of the file. ``run_column`` is 0
    where the first of them is the id of a row's run; None where the rows do not hold it: they are
    in the order of ``rows`` then. ``rows`` says how many lines each run has, by its thread_id.
    ``is_whole`` says that no stored column is missing.
    """

    name: str
    schema: str
    table: str
    columns: tuple[ArchivedColumn, ...]
    run_column: int | None
    is_whole: bool = True
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def copy_statement(self) -> bytes:
        """How its frame begins, with the line break. A name may have line breaks too."""
        columns = ", ".join(quoted_name(column.name) for column in self.columns)
        return f"COPY {quoted_name(self.schema, self.table)} ({columns}) FROM stdin;\n".encode()

    def to_json(self) -> dict[str, Any]:
        """What the header says of it."""
        return {
            "name": self.name,
            "schema": self.schema,
            "table": self.table,
            "columns": [vars(column) for column in self.columns],
            "run_column": self.run_column,
            "whole": self.is_whole,
            "rows": dict(self.rows),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """What ``to_json`` gave; whatever cannot be that raises one of ``UNFIT``."""
        return cls(
            name=_of(str, found["name"]),
            schema=_of(str, found["schema"]),
            table=_of(str, found["table"]),
            columns=tuple(
                ArchivedColumn(
                    _of(str, one["name"]), _of(str, one["type"]), _of(int, one["attnum"])
                )
                for one in found["columns"]
            ),
            run_column=None if found["run_column"] is None else _of(int, found["run_column"]),
            is_whole=_of(bool, found["whole"]),
            rows={run: _of(int, rows) for run, rows in found["rows"].items()},
        )


@dataclass(frozen=True)
class Unrecorded:
    """References that the deletion cleared and that no file has: how many, None if unknown; why."""

    table: str
    constraint: str
    rows: int | None
    why: str


@dataclass(frozen=True)
class RowsHeader:
    """What a file of rows says of itself in its second line.

    ``xid`` is the transaction's number, as pg_current_xact_id() gave it; ``host`` the identity of
    the database (``system``, ``database``, ``name``). ``tables`` are in the order of the file,
    parents first. ``references`` is how many cleared references follow them.
    """

    operation_id: str
    batch: int
    xid: str
    host: Mapping[str, Any]
    search_path: str = ""
    tables: tuple[ArchivedTable, ...] = ()
    references: int = 0
    unrecorded: tuple[Unrecorded, ...] = ()
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """The second line, as JSON has it."""
        return {
            "format": self.format,
            "operation": self.operation_id,
            "batch": self.batch,
            "xid": self.xid,
            "host": dict(self.host),
            "search_path": self.search_path,
            "references": self.references,
            "unrecorded": [vars(one) for one in self.unrecorded],
            "tables": [table.to_json() for table in self.tables],
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """What ``to_json`` gave; whatever cannot be that raises one of ``UNFIT``."""
        return cls(
            operation_id=_of(str, found["operation"]),
            batch=_of(int, found["batch"]),
            xid=_of(str, found["xid"]),
            host=_of(dict, found["host"]),
            search_path=_of(str, found["search_path"]),
            tables=tuple(map(ArchivedTable.from_json, found["tables"])),
            references=_of(int, found["references"]),
            unrecorded=tuple(Unrecorded(**one) for one in found["unrecorded"]),
            format=_of(int, found["format"]),
        )


def _of(kind: type[_T], value: object) -> _T:
    if not isinstance(value, kind):
        raise TypeError
    return value
