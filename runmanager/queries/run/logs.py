"""A run's log, whatever the host calls its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from runmanager.clamped_times import utc
from runmanager.errors import RunNotFoundError
from runmanager.host.ids import storable
from runmanager.host.values import TraceTable, is_time
from runmanager.paging import Page, PageRequest
from runmanager.queries.run.columns import first, or_null, sortable
from runmanager.queries.run.excerpts import (
    as_text,
    bytes_of,
    excerpt_columns,
    holds_bytes,
    read_excerpt,
    require_readable,
)
from runmanager.queries.run.row_keys import has_key, printed_key, row_key
from runmanager.records import LogEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo

MAX_TEXT = 10_000
TIME_NAMES = ("created_at", "timestamp", "logged_at", "time", "ts")
_LEVEL = ("level", "log_level", "levelname", "severity")
_MESSAGE = ("message", "msg", "text", "content")


@dataclass(frozen=True)
class _Columns:
    """What the columns of one log table are for, as their names say."""

    table: sa.Table
    time: sa.Column[Any] | None
    level: sa.Column[Any] | None
    message: sa.Column[Any] | None
    others: tuple[sa.Column[Any], ...]

    @property
    def shown_time(self) -> sa.Column[Any] | None:
        """The time, where it is one: seconds since 1970, or a text, are shown as they are."""
        return self.time if self.time is not None and is_time(self.time) else None

    @property
    def names(self) -> tuple[str, ...]:
        """What the texts of a line are called: its message first, then the further columns."""
        return ("message", *(column.name for column in self.others))

    def texts(self) -> tuple[sa.ColumnElement[Any], ...]:
        """Those texts; of bytes, only how many there are."""
        columns = (or_null(self.message), *self.others)
        return tuple(as_text(one) if holds_bytes(one) else one for one in columns)

    @classmethod
    def of(cls, logs: TraceTable) -> _Columns:
        table = logs.table
        time, level, message = (first(table, *names) for names in (TIME_NAMES, _LEVEL, _MESSAGE))
        named = {one.name for one in (level, message, logs.key) if one is not None} | {"id"}
        if time is not None and is_time(time):
            named.add(time.name)
        others = tuple(column for column in table.c if column.name not in named)
        return cls(table, time, level, message, others)

    def order(self) -> tuple[sa.ColumnElement[Any], ...]:
        """By time, then by ``id`` where there is one, then by what no two rows share."""
        named = [one for one in (self.time, self.table.c.get("id")) if one is not None]
        return (*map(sortable, named), *row_key(self.table))


def log_levels(connection: sa.Connection, logs: TraceTable, thread_id: str) -> tuple[str, ...]:
    """The distinct levels in this run's log, sorted; () where the table has no level."""
    level = first(logs.table, *_LEVEL)
    if level is None:
        return ()
    text = sa.cast(level, sa.Text)
    statement = sa.select(text).where(logs.of([thread_id]), level.is_not(None)).distinct()
    return tuple(sorted(connection.scalars(statement)))


def list_logs(
    connection: sa.Connection,
    logs: TraceTable,
    thread_id: str,
    request: PageRequest,
    *,
    zone: tzinfo,
    levels: Sequence[str] = (),
    newest_first: bool = True,
) -> Page[LogEntry]:
    """One page of a run's log, only ``levels`` where any are named; the last page past the end.

    ``zone`` is that of times which name none.
    """
    table, columns = logs.table, _Columns.of(logs)
    where = [logs.of([thread_id])]
    if levels and columns.level is not None:
        where.append(sa.cast(columns.level, sa.Text).in_(filter(storable, levels)))
    total = connection.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0
    window = request.within(total)
    entries = _read(connection, columns, where, window, zone, newest_first=newest_first)
    return Page(entries, total, window.number, window.size)


def read_log_line(
    connection: sa.Connection, logs: TraceTable, thread_id: str, key: str, *, zone: tzinfo
) -> LogEntry:
    """One line of a run's log, nothing of it cut.

    Raises RunNotFoundError where there is no such line, and InvalidRequestError for more than
    50 MB.
    """
    columns = _Columns.of(logs)
    where = [logs.of([thread_id]), has_key(logs.table, key)]
    size = bytes_of(sa.cast(one, sa.Text) for one in columns.texts())
    found = connection.scalar(sa.select(size).select_from(logs.table).where(*where).limit(1))
    if found is None:
        raise RunNotFoundError(
            "This log line is gone: its run was deleted, or the host removed it."
        )
    require_readable(found, "This log line")
    (entry,) = _read(connection, columns, where, PageRequest(1, 1), zone, limit=None)
    return entry


def _read(
    connection: sa.Connection,
    columns: _Columns,
    where: Sequence[sa.ColumnElement[bool]],
    window: PageRequest,
    zone: tzinfo,
    *,
    newest_first: bool = True,
    limit: int | None = MAX_TEXT,
) -> tuple[LogEntry, ...]:
    def directed(keys: Iterable[sa.ColumnElement[Any]]) -> list[sa.ColumnElement[Any]]:
        return [one.desc() if newest_first else one.asc() for one in keys]

    order, key = columns.order(), row_key(columns.table)
    # The rows of the page first: only of these is a text read, to be measured and cut.
    page = (
        sa.select(
            or_null(columns.shown_time).label("time"),
            or_null(columns.level).label("level"),
            *(one.label(f"text_{index}") for index, one in enumerate(columns.texts())),
            *(one.label(f"order_{index}") for index, one in enumerate(order)),
            *(one.label(f"key_{index}") for index, one in enumerate(key)),
        )
        .where(*where)
        .order_by(*directed(order))
        .limit(window.size)
        .offset(window.offset)
        .subquery("page")
    )
    rows = connection.execute(
        sa.select(
            page.c.time,
            sa.cast(page.c.level, sa.Text).label("level"),
            *(
                column
                for index in range(len(columns.names))
                for column in excerpt_columns(
                    sa.cast(page.c[f"text_{index}"], sa.Text), f"text_{index}", limit
                )
            ),
            postgresql.array(
                [sa.cast(page.c[f"key_{index}"], sa.Text) for index in range(len(key))]
            ).label("key"),
        ).order_by(*directed(page.c[f"order_{index}"] for index in range(len(order))))
    )
    return tuple(_entry(row, columns, zone) for row in rows)


def _entry(row: sa.Row[Any], columns: _Columns, zone: tzinfo) -> LogEntry:
    message, *others = (read_excerpt(row, f"text_{index}") for index in range(len(columns.names)))
    return LogEntry(
        key=printed_key(row.key),
        time=utc(row.time, zone),
        level=row.level,
        message=message,
        others=tuple(
            (name, value)
            for name, value in zip(columns.names[1:], others, strict=True)
            if value is not None
        ),
    )
