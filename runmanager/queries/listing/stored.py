"""How much of the disk the rows of runs take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.host.values import Reading, TraceTable


def stored_bytes(table: sa.FromClause) -> sa.ColumnElement[Any]:
    """The bytes of one row of ``table`` as stored (compressed), column by column.

    ``pg_column_size`` of a whole row would read every large value back, where a column's is known
    from its pointer.
    """
    total: sa.ColumnElement[Any] = sa.literal(0)
    for column in table.c:
        total = total + sa.func.coalesce(sa.func.pg_column_size(column), 0)
    return total


def bytes_of_runs(reading: Reading, thread_ids: Sequence[str]) -> dict[str, int]:
    """The stored bytes of all rows that hold the id of one of these runs, by that id.

    Those are its own and those of the tables with a ``thread_id``, of those that may be read; what
    belongs to a run by a foreign key only is not among them.
    """
    host = reading.host
    readable = [one for one in (host.own, *host.readable_traces) if one.key is not None]
    parts = [_sums(trace, thread_ids) for trace in readable]
    found = dict.fromkeys(thread_ids, 0)
    for row in reading.connection.execute(sa.union_all(*parts)):
        found[row.thread_id] += int(row.bytes)
    return found


def _sums(trace: TraceTable, thread_ids: Sequence[str]) -> sa.Select[Any]:
    size = sa.func.sum(stored_bytes(trace.table)).label("bytes")
    columns: list[sa.ColumnElement[Any]] = [trace.thread_id.label("thread_id"), size]
    return sa.select(*columns).where(trace.of(thread_ids)).group_by(trace.thread_id)
