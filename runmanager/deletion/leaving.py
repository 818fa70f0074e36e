"""Rows that leave for the archive: one COPY deletes them, counts them and prints them.

What was read first and deleted afterwards could have changed in between; what a DELETE returns is
what went. So one statement has both, on one snapshot, and beside them how many rows are there.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa

from runmanager.archive.values import copied_text, text_of
from runmanager.batches import KeptRowsError, RefusedError
from runmanager.database_copy import copied_lines
from runmanager.deletion.statements import blamed, is_taken, part_name
from runmanager.host.ids import has_id
from runmanager.queries.run.belonging import Belonging

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runmanager.archive.rows_file import RowsFile, TableSink
    from runmanager.deletion.forms import Form
    from runmanager.host.values import Host, TraceTable

_NULL = b"\\N"
# Lines are joined to pieces of about this size: the compressor is called for each.
_PIECE = 1 << 18


def archive_rows(
    connection: sa.Connection,
    host: Host,
    unit: Sequence[TraceTable],
    thread_ids: Sequence[str],
    into: RowsFile,
    forms: Mapping[str, Form],
) -> list[tuple[str, str, int]]:
    """Delete the rows of ``thread_ids`` and write them into a file: table, thread_id, rows gone.

    Rows that the database takes along by itself are read before it does. Raises KeptRowsError and
    RefusedError as ``delete_rows`` does, and ArchiveError where the file cannot be written.
    """
    used = [forms[trace.name] for trace in unit]
    statement = _statement(host, Belonging(host, thread_ids), used)
    names = {copied_text(thread_id): thread_id for thread_id in thread_ids}
    there: dict[tuple[int, str], int] = {}
    if len(unit) > 1:
        into.expect_circle()
    with ExitStack() as stack:
        widths = [len(form.columns) for form in used]
        takers = [
            _Taker(
                number,
                form,
                stack.enter_context(into.table(form.archived)),
                names,
                (sum(widths[:number]), sum(widths[number + 1 :])),
            )
            for number, form in enumerate(used)
        ]
        try:
            with closing(copied_lines(connection, statement)) as lines:
                _share_out(lines, takers, names, there)
        except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
            raise RefusedError(blamed(host, unit), error) from error
        for taker in takers:
            taker.end()
    gone = {(n, run): rows for n, one in enumerate(takers) for run, rows in one.sink.rows.items()}
    for (number, run), rows in there.items():
        if gone.get((number, run), 0) != rows:
            raise KeptRowsError(unit[number].name)
    return [(unit[number].name, run, rows) for (number, run), rows in gone.items()]


def _share_out(
    lines: Iterator[bytes],
    takers: Sequence[_Taker],
    names: Mapping[bytes, str],
    there: dict[tuple[int, str], int],
) -> None:
    """Give each line to the table that it is of; note what it says of how many are there."""
    only = takers[0] if len(takers) == 1 else None
    for line in lines:
        if line.startswith(_NULL):
            taker = only or takers[int(line[3 : line.index(b"\t", 3)])]
            taker.take(line)
        else:
            rows, number, run = line.split(b"\t", 3)[:3]
            there[int(number), names.get(run) or text_of(run)] = int(rows)


class _Taker:
    """Takes the lines of one table's rows, cuts off what is not theirs, and counts them by run.

    A line begins with NULL (where others say how many rows are there), the number of its table, and
    the run where the row itself does not hold it. In front of the row's own columns, and behind
    them, are so many NULLs for those of the other tables.
    """

    def __init__(
        self,
        number: int,
        form: Form,
        sink: TableSink,
        names: Mapping[bytes, str],
        others: tuple[int, int],
    ) -> None:
        self.sink = sink
        self._names = names
        self._has_run = form.has_run
        self._before = (_NULL + b"\t") * others[0]
        self._after = len(b"\t" + _NULL) * others[1]
        self._head = b"%b\t%d\t" % (_NULL, number)
        if form.has_run:
            self._head += _NULL + b"\t" + self._before
        self._start = len(self._head)
        # How a line of the run begins that the line before was of; none does at first.
        self._known = b"\n"
        self._run = ""
        self._here = 0
        self._lines: list[bytes] = []
        self._size = 0

    def take(self, line: bytes) -> None:
        """Take the line of one row."""
        if line.startswith(self._known):
            self._here += 1
        else:
            self._turn_to(line)
        if len(line) > _PIECE:
            self._take_large(line)
            return
        row = line[self._start :]
        if self._after:
            row = row[: -1 - self._after] + b"\n"
        self._lines.append(row)
        self._size += len(row)
        if self._size >= _PIECE:
            self._flush()

    def _take_large(self, line: bytes) -> None:
        """Pass a row on in pieces: a copy of it would take as much memory as the row."""
        self._flush()
        end = len(line) - 1 - self._after
        for start in range(self._start, end, _PIECE):
            self.sink.write(line[start : min(start + _PIECE, end)])
        self.sink.write(b"\n")

    def end(self) -> None:
        """Pass on what is left."""
        self._count()
        self._flush()

    def _turn_to(self, line: bytes) -> None:
        self._count()
        first = len(self._head)
        # Of a table with one column the run is followed by the end of the line.
        end = line.find(b"\t", first)
        run = line[first : end if end >= 0 else -1]
        self._known = line[: first + len(run) + 1]
        if not self._has_run:
            self._start = len(self._known) + len(self._before)
        self._run = self._names.get(run) or text_of(run)
        self._here = 1

    def _count(self) -> None:
        if self._here:
            self.sink.rows[self._run] += self._here
            self._here = 0

    def _flush(self) -> None:
        if self._lines:
            self.sink.write(b"".join(self._lines))
            self._lines.clear()
            self._size = 0


def _statement(
    host: Host, belonging: Belonging, forms: Sequence[Form]
) -> sa.CompoundSelect[Any] | sa.Select[Any]:
    """The rows as they go, each with NULL, its table's number, and its run or NULL; and how many
    are there, with NULLs for the columns.
    """
    parts: list[sa.Select[Any]] = []
    for number, form in enumerate(forms):
        run, columns = _gone(host, belonging, form)
        lead = _lead(sa.cast(sa.null(), sa.BigInteger), number, run)
        parts.append(sa.select(*lead, *_wide(forms, number, columns)))
    for number, form in enumerate(forms):
        parts.append(_there(belonging, form, number, _wide(forms, None, ())))
    both = sa.union_all(*parts)
    if all(form.has_run for form in forms):
        return both
    # Who does not hold its run's id comes run by run.
    rows = both.subquery("rows")
    return sa.select(*rows.c).order_by(rows.c.number, rows.c.run)


def _lead(
    rows: sa.ColumnElement[Any], number: int, run: sa.ColumnElement[Any]
) -> list[sa.Label[Any]]:
    return [rows.label("n"), sa.literal_column(str(number)).label("number"), run.label("run")]


def _wide(
    forms: Sequence[Form], number: int | None, columns: Sequence[sa.ColumnElement[Any]]
) -> list[sa.Label[Any]]:
    """The columns of all tables side by side, NULL but for those of table ``number``."""
    found: list[sa.ColumnElement[Any]] = []
    for other, form in enumerate(forms):
        if other == number:
            found += columns
        elif len(forms) == 1:
            found += [sa.null() for _column in form.columns]
        else:
            found += [_null_like(column) for column in form.columns]
    return [column.label(f"c{position}") for position, column in enumerate(found)]


def _null_like(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """NULL in the type of ``column``: a cast of NULL fails for a domain that allows none."""
    table = column.table.alias("nothing")
    return sa.select(table.c[column.name]).where(sa.false()).scalar_subquery()


def _there(
    belonging: Belonging, form: Form, number: int, columns: Sequence[sa.Label[Any]]
) -> sa.Select[Any]:
    """How many rows of each run are there."""
    trace = form.trace
    if trace.links:
        run: sa.ColumnElement[Any] = belonging.places(trace).c.run
        statement = sa.select(*_lead(sa.func.count(), number, run), *columns)
    else:
        run = trace.thread_id
        statement = sa.select(*_lead(sa.func.count(), number, run), *columns)
        statement = statement.select_from(trace.table).where(belonging.held(trace))
    return statement.group_by(run)


def _gone(
    host: Host, belonging: Belonging, form: Form
) -> tuple[sa.ColumnElement[Any], list[sa.ColumnElement[Any]]]:
    """The run, or NULL where the first column is it, and the columns of the rows that go."""
    trace, columns = form.trace, [one.label(f"c{n}") for n, one in enumerate(form.columns)]
    if not trace.links:
        run = sa.cast(sa.null(), sa.Text) if form.has_run else _run_of(form)
        gone = _leaving(host, form, _held(belonging, form), [run.label("run"), *columns])
        return gone.c.run, [gone.c[one.name] for one in columns]
    places = belonging.places(trace)
    place: list[sa.Label[Any]] = [sa.literal_column(one).label(one) for one in ("tableoid", "ctid")]
    is_there = sa.tuple_(*place).in_(sa.select(places.c.rel, places.c.tid))
    gone = _leaving(host, form, is_there, [*place, *columns])
    is_same = sa.and_(gone.c.tableoid == places.c.rel, gone.c.ctid == places.c.tid)
    joined = (
        sa.select(places.c.run, *(gone.c[one.name] for one in columns))
        .select_from(sa.join(gone, places, is_same))
        .subquery(f"{part_name(host, trace)}_of")
    )
    return joined.c.run, [joined.c[one.name] for one in columns]


def _leaving(
    host: Host, form: Form, where: sa.ColumnElement[bool], columns: Sequence[sa.Label[Any]]
) -> sa.CTE:
    """These columns of the rows that go; of rows that the database takes along, read before."""
    name = part_name(host, form.trace)
    if is_taken(host, form.trace):
        read = sa.select(*columns).select_from(form.source).where(where)
        return (read.with_for_update(of=form.source) if form.may_lock else read).cte(name)
    return sa.delete(form.source).where(where).returning(*columns).cte(name)


def _run_of(form: Form) -> sa.ColumnElement[str]:
    if form.source is form.trace.table:
        return form.trace.thread_id
    return sa.cast(form.trace.stored_key, sa.Text)


def _held(belonging: Belonging, form: Form) -> sa.ColumnElement[bool]:
    """The condition that a row of the form's source is of one of the runs."""
    trace = form.trace
    held = belonging.held(trace)
    if form.source is trace.table:
        return held
    key = trace.stored_key
    assert key is not None  # noqa: S101  else the rows are taken through the view
    shown = sa.select(*(column for _stored, column in form.shown)).where(held)
    is_shown = sa.tuple_(*(stored for stored, _column in form.shown)).in_(shown)
    return sa.and_(has_id(key, belonging.thread_ids), is_shown)
