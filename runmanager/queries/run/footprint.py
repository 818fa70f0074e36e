"""What belongs to runs, counted: rows and stored bytes by table, and which ids have rows at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.database import stopped_after
from runmanager.errors import DatabaseAwayError, DatabaseError, SchemaChangedError
from runmanager.queries.listing.stored import stored_bytes
from runmanager.queries.run.belonging import Belonging
from runmanager.records import Footprint, LeftBehind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runmanager.host.values import Host, TraceTable

LEFT_BEHIND_SECONDS = 1.0


def run_tables(host: Host) -> tuple[TraceTable, ...]:
    """Every table whose rows go with a run: ``run_metadata``, then its trace tables by name."""
    return (host.own, *sorted(host.traces, key=lambda trace: trace.name))


def readable_tables(host: Host) -> tuple[TraceTable, ...]:
    """``run_tables`` without those that the database role may not read."""
    unreadable = host.privileges.unreadable
    return tuple(trace for trace in run_tables(host) if trace.name not in unreadable)


def footprints(
    connection: sa.Connection,
    host: Host,
    tables: Iterable[TraceTable],
    thread_ids: Sequence[str],
) -> tuple[Footprint, ...]:
    """Rows of ``thread_ids`` in each of ``tables``, and their bytes as stored (compressed).

    Bytes are summed column by column: ``pg_column_size`` of a whole row would read every large
    value back, where a column's is known from its pointer.
    """
    belonging = Belonging(host, thread_ids)
    parts = [_footprint(belonging, trace) for trace in tables]
    if not parts:
        return ()
    rows = connection.execute(sa.union_all(*parts)).all()
    return tuple(Footprint(row.name, row.rows, int(row.bytes)) for row in rows)


def _footprint(belonging: Belonging, trace: TraceTable) -> sa.Select[Any]:
    table = trace.worked
    statement = sa.select(
        sa.literal(trace.name).label("name"),
        sa.func.count().label("rows"),
        sa.func.coalesce(sa.func.sum(stored_bytes(table)), 0).label("bytes"),
    ).select_from(table)
    if not trace.links:
        return statement.where(belonging.held(trace))
    places = belonging.places(trace)
    # Alone among the tables of the FROM it has these columns: the places call them otherwise.
    is_there = sa.and_(
        sa.literal_column("tableoid") == places.c.rel, sa.literal_column("ctid") == places.c.tid
    )
    return statement.select_from(sa.join(table, places, is_there))


def left_behind(
    connection: sa.Connection, host: Host, thread_ids: Sequence[str]
) -> tuple[LeftBehind, ...]:
    """How many rows of ``thread_ids`` stay in tables that are never touched; none are left out.

    These tables may be large and without an index on ``thread_id``: one that cannot be counted
    within a second, or may not be read, is named with ``rows`` None, instead of failing what it is
    only a remark to. Of the latter ``denied`` has the GRANT to make.
    """
    if not host.left_behind or not thread_ids:
        return ()
    unreadable = host.privileges.unreadable
    counted = (
        LeftBehind(trace.name, None, unreadable[trace.name])
        if trace.name in unreadable
        else LeftBehind(trace.name, _count_or_none(connection, _staying(host, trace, thread_ids)))
        for trace in host.left_behind
    )
    return tuple(table for table in counted if table.rows != 0)


def _staying(host: Host, trace: TraceTable, thread_ids: Sequence[str]) -> sa.Select[Any]:
    return (
        sa.select(sa.func.count())
        .select_from(trace.table)
        .where(Belonging(host, thread_ids).stays(trace))
    )


def _count_or_none(connection: sa.Connection, statement: sa.Select[Any]) -> int | None:
    try:
        with stopped_after(connection, LEFT_BEHIND_SECONDS):
            return connection.scalar(statement) or 0
    except (DatabaseAwayError, SchemaChangedError):
        raise
    except DatabaseError:
        return None


def ids_with_traces(connection: sa.Connection, host: Host, thread_ids: Sequence[str]) -> set[str]:
    """Those of ``thread_ids`` that have a row in any trace table that may be read."""
    parts = [
        sa.select(trace.thread_id.label("id")).where(trace.of(thread_ids))
        for trace in host.readable_traces
        if trace.key is not None
    ]
    if not parts or not thread_ids:
        return set()
    return set(connection.scalars(sa.union(*parts)))
