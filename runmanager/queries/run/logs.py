"""A run's log, whatever the host calls its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.database import utc
from runmanager.host.ids import storable
from runmanager.host.values import TraceTable, is_time
from runmanager.paging import Page, PageRequest
from runmanager.records import LogEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_TEXT = 10_000
_TIME = ("created_at", "timestamp", "logged_at", "time", "ts")
_LEVEL = ("level", "log_level", "levelname", "severity")
_MESSAGE = ("message", "msg", "text", "content")


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
    table = logs.table
    time, level, message = (_first(table, names) for names in (_TIME, _LEVEL, _MESSAGE))
    where = [logs.of([thread_id])]
    if levels and level is not None:
        where.append(sa.cast(level, sa.Text).in_(filter(storable, levels)))
    total = connection.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0
    window = request.within(total)
    # Seconds since 1970, or a time as text, order the log but are shown as they are.
    shown_time = time if time is not None and is_time(time) else None
    named = {one.name for one in (shown_time, level, message, logs.key) if one is not None}
    others = [column for column in table.c if column.name not in named and column.name != "id"]
    order = [column for column in (time, table.c.get("id")) if column is not None]
    rows = connection.execute(
        sa.select(
            _or_null(shown_time).label("time"),
            sa.cast(_or_null(level), sa.Text).label("level"),
            sa.func.left(sa.cast(_or_null(message), sa.Text), MAX_TEXT).label("message"),
            *(
                sa.func.left(sa.cast(column, sa.Text), MAX_TEXT).label(f"other_{index}")
                for index, column in enumerate(others)
            ),
        )
        .where(*where)
        .order_by(*(column.desc() if newest_first else column.asc() for column in order))
        .limit(window.size)
        .offset(window.offset)
    )
    entries = tuple(_entry(row, [column.name for column in others]) for row in rows)
    return Page(entries, total, window.number, window.size)


def _entry(row: sa.Row[Any], others: list[str]) -> LogEntry:
    values = ((name, getattr(row, f"other_{index}")) for index, name in enumerate(others))
    return LogEntry(
        time=utc(row.time),
        level=row.level,
        message=row.message,
        others=tuple((name, value) for name, value in values if value is not None),
    )


def _first(table: sa.Table, names: tuple[str, ...]) -> sa.Column[Any] | None:
    return next((table.c[name] for name in names if name in table.c), None)


def _or_null(column: sa.Column[Any] | None) -> sa.ColumnElement[Any]:
    return sa.null() if column is None else column
