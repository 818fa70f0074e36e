"""A run's log, whatever the host calls its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.database import utc
from runmanager.host.ids import storable
from runmanager.host.values import TraceTable, is_time
from runmanager.paging import Page, PageRequest
from runmanager.queries.run.row_keys import row_key
from runmanager.records import LogEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_TEXT = 10_000
_TIME = ("created_at", "timestamp", "logged_at", "time", "ts")
_LEVEL = ("level", "log_level", "levelname", "severity")
_MESSAGE = ("message", "msg", "text", "content")
_WITHOUT_ORDER = {"json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle"}


@dataclass(frozen=True)
class _Columns:
    """What the columns of one log table are for, as their names say."""

    table: sa.Table
    time: sa.Column[Any] | None
    level: sa.Column[Any] | None
    message: sa.Column[Any] | None
    others: tuple[sa.Column[Any], ...]

    @classmethod
    def of(cls, logs: TraceTable) -> _Columns:
        table = logs.table
        time, level, message = (_first(table, names) for names in (_TIME, _LEVEL, _MESSAGE))
        # Seconds since 1970, or a time as text, order the log but are shown as they are.
        shown = {one.name for one in (level, message, logs.key) if one is not None} | {"id"}
        if time is not None and is_time(time):
            shown.add(time.name)
        others = tuple(column for column in table.c if column.name not in shown)
        return cls(table, time, level, message, others)

    def order(self) -> tuple[sa.ColumnElement[Any], ...]:
        """By time, then by ``id`` where there is one, then by what no two rows share."""
        named = [one for one in (self.time, self.table.c.get("id")) if one is not None]
        return (*map(_sortable, named), *row_key(self.table))


def log_levels(connection: sa.Connection, logs: TraceTable, thread_id: str) -> tuple[str, ...]:
    """The distinct levels in this run's log, sorted; () where the table has no level."""
    level = _first(logs.table, _LEVEL)
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
    levels: Sequence[str] = (),
    newest_first: bool = True,
) -> Page[LogEntry]:
    """One page of a run's log, only ``levels`` where any are named; the last page past the end."""
    columns = _Columns.of(logs)
    where = [logs.of([thread_id])]
    if levels and columns.level is not None:
        where.append(sa.cast(columns.level, sa.Text).in_(filter(storable, levels)))
    total = connection.scalar(sa.select(sa.func.count()).select_from(logs.table).where(*where)) or 0
    window = request.within(total)
    order = columns.order()
    rows = connection.execute(
        _select_entries(columns)
        .where(*where)
        .order_by(*(one.desc() if newest_first else one.asc() for one in order))
        .limit(window.size)
        .offset(window.offset)
    )
    entries = tuple(_entry(row, columns) for row in rows)
    return Page(entries, total, window.number, window.size)


def _select_entries(columns: _Columns) -> sa.Select[Any]:
    time = columns.time if columns.time is not None and is_time(columns.time) else None
    return sa.select(
        _or_null(time).label("time"),
        sa.cast(_or_null(columns.level), sa.Text).label("level"),
        sa.func.left(sa.cast(_or_null(columns.message), sa.Text), MAX_TEXT).label("message"),
        *(
            sa.func.left(sa.cast(column, sa.Text), MAX_TEXT).label(f"other_{index}")
            for index, column in enumerate(columns.others)
        ),
    )


def _entry(row: sa.Row[Any], columns: _Columns) -> LogEntry:
    values = (
        (column.name, getattr(row, f"other_{index}")) for index, column in enumerate(columns.others)
    )
    return LogEntry(
        time=utc(row.time),
        level=row.level,
        message=row.message,
        others=tuple((name, value) for name, value in values if value is not None),
    )


def _first(table: sa.Table, names: tuple[str, ...]) -> sa.Column[Any] | None:
    return next((table.c[name] for name in names if name in table.c), None)


def _sortable(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    return sa.cast(column, sa.Text) if column.info["type"] in _WITHOUT_ORDER else column


def _or_null(column: sa.Column[Any] | None) -> sa.ColumnElement[Any]:
    return sa.null() if column is None else column
