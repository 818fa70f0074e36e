"""LangGraph's checkpoints of a run: their timeline, one opened, its writes, and stored values.

Pickled and msgpack content is never read, only measured: deserialising it has been a published
vulnerability. The tables are those of langgraph-checkpoint-postgres 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.errors import RunNotFoundError
from runmanager.host.ids import has_id, storable
from runmanager.paging import Page, PageRequest
from runmanager.queries.run.detail import json_columns, json_text
from runmanager.queries.run.row_keys import row_key
from runmanager.records import (
    Blob,
    CheckpointDetail,
    CheckpointSummary,
    CheckpointWrite,
    JsonText,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runmanager.host.values import Host

MAX_WRITES = 500
_PULL = "~__pregel_pull, "


def list_checkpoints(
    connection: sa.Connection, host: Host, thread_id: str, request: PageRequest
) -> Page[CheckpointSummary]:
    """One page of a run's checkpoints, newest first; the last page past the end."""
    table = host.trace("checkpoints")
    if table is None:
        return Page((), 0, 1, request.size)
    where = has_id(table.c.thread_id, [thread_id])
    total = connection.scalar(sa.select(sa.func.count()).select_from(table).where(where)) or 0
    window = request.within(total)
    # checkpoint_id is a UUIDv6: its order is that of time.
    rows = connection.execute(
        _select_summaries(table)
        .where(where)
        .order_by(
            table.c.checkpoint_id.desc(), _column(table, "checkpoint_ns", ""), *row_key(table)
        )
        .limit(window.size)
        .offset(window.offset)
    ).all()
    return Page(_summaries(connection, host, thread_id, rows), total, window.number, window.size)


def open_checkpoint(
    connection: sa.Connection, host: Host, thread_id: str, namespace: str, checkpoint_id: str
) -> CheckpointDetail:
    """One checkpoint with its JSON state, metadata and first 500 writes.

    Raises RunNotFoundError when it is gone.
    """
    table = host.trace("checkpoints")
    if table is None or not storable(checkpoint_id + namespace):
        raise RunNotFoundError
    statement = (
        _select_summaries(table)
        .add_columns(*json_columns(table.c.checkpoint, "state"))
        .add_columns(*json_columns(table.c.metadata, "metadata"))
        .where(
            has_id(table.c.thread_id, [thread_id]),
            table.c.checkpoint_id == checkpoint_id,
            _column(table, "checkpoint_ns", "") == namespace,
        )
    )
    row = connection.execute(statement.limit(1)).one_or_none()
    if row is None:
        raise RunNotFoundError("This checkpoint is gone: its run was deleted or went on.")
    (summary,) = _summaries(connection, host, thread_id, [row])
    return CheckpointDetail(
        summary=summary,
        state=json_text(row, "state") or JsonText("null", 4),
        metadata=json_text(row, "metadata") or JsonText("null", 4),
        writes=_writes(connection, host, thread_id, summary),
    )


def list_blobs(
    connection: sa.Connection, host: Host, thread_id: str, request: PageRequest
) -> Page[Blob]:
    """One page of a run's stored channel values, by channel, newest version first."""
    table = host.trace("checkpoint_blobs")
    if table is None:
        return Page((), 0, 1, request.size)
    where = has_id(table.c.thread_id, [thread_id])
    total = connection.scalar(sa.select(sa.func.count()).select_from(table).where(where)) or 0
    window = request.within(total)
    namespace = _column(table, "checkpoint_ns", "")
    # octet_length knows a stored value's size from its pointer: 200 MB are not read to say so.
    rows = connection.execute(
        sa.select(
            table.c.channel,
            namespace.label("namespace"),
            table.c.version,
            table.c.type,
            sa.func.coalesce(sa.func.octet_length(table.c.blob), 0).label("bytes"),
        )
        .where(where)
        .order_by(table.c.channel, namespace, table.c.version.desc(), *row_key(table))
        .limit(window.size)
        .offset(window.offset)
    )
    return Page(tuple(Blob(*row) for row in rows), total, window.number, window.size)


def _select_summaries(table: sa.Table) -> sa.Select[Any]:
    stored = sa.func.pg_column_size(table.c.checkpoint) + sa.func.pg_column_size(table.c.metadata)
    return sa.select(
        table.c.checkpoint_id,
        _column(table, "checkpoint_ns", "").label("namespace"),
        _column(table, "parent_checkpoint_id", None).label("parent_id"),
        table.c.checkpoint["ts"].astext.label("time"),
        table.c.metadata["step"].astext.label("step"),
        table.c.metadata["source"].astext.label("source"),
        sa.func.coalesce(stored, 0).label("stored_bytes"),
    )


def _summaries(
    connection: sa.Connection, host: Host, thread_id: str, rows: Iterable[sa.Row[Any]]
) -> tuple[CheckpointSummary, ...]:
    rows = list(rows)
    wanted = {row.checkpoint_id for row in rows} | {row.parent_id for row in rows if row.parent_id}
    paths = _task_paths(connection, host, thread_id, wanted)
    return tuple(
        CheckpointSummary(
            checkpoint_id=row.checkpoint_id,
            namespace=row.namespace,
            parent_id=row.parent_id,
            time=row.time,
            step=row.step,
            source=row.source,
            # What a step's nodes wrote is kept with the checkpoint they started from.
            nodes=_nodes(paths.get((row.namespace, row.parent_id), [])),
            writes=sum(n for _path, n in paths.get((row.namespace, row.checkpoint_id), [])),
            stored_bytes=row.stored_bytes,
        )
        for row in rows
    )


def _task_paths(
    connection: sa.Connection, host: Host, thread_id: str, checkpoint_ids: Iterable[str]
) -> dict[tuple[str, str], list[tuple[str, int]]]:
    table = host.trace("checkpoint_writes")
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    if table is None:
        return found
    namespace = _column(table, "checkpoint_ns", "")
    path = _column(table, "task_path", "")
    rows = connection.execute(
        sa.select(namespace, table.c.checkpoint_id, path, sa.func.count())
        .where(
            has_id(table.c.thread_id, [thread_id]),
            table.c.checkpoint_id == sa.any_(sa.literal(list(checkpoint_ids), sa.ARRAY(sa.Text))),
        )
        .group_by(sa.literal_column("1"), sa.literal_column("2"), sa.literal_column("3"))
    )
    for row_namespace, checkpoint_id, task_path, count in rows:
        found.setdefault((row_namespace, checkpoint_id), []).append((task_path, count))
    return found


def _nodes(paths: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    names = (_node(path) for path, _count in paths)
    return tuple(sorted({name for name in names if name is not None}))


def _node(task_path: str | None) -> str | None:
    """The node of a task's path, which LangGraph writes as ``~__pregel_pull, <node>``."""
    if not task_path or not task_path.startswith(_PULL):
        return None
    return task_path.removeprefix(_PULL)


def _writes(
    connection: sa.Connection, host: Host, thread_id: str, checkpoint: CheckpointSummary
) -> tuple[CheckpointWrite, ...]:
    table = host.trace("checkpoint_writes")
    if table is None:
        return ()
    rows = connection.execute(
        sa.select(
            table.c.task_id,
            table.c.idx,
            table.c.channel,
            table.c.type,
            sa.func.coalesce(sa.func.octet_length(table.c.blob), 0),
            _column(table, "task_path", ""),
        )
        .where(
            has_id(table.c.thread_id, [thread_id]),
            table.c.checkpoint_id == checkpoint.checkpoint_id,
            _column(table, "checkpoint_ns", "") == checkpoint.namespace,
        )
        .order_by(table.c.task_id, table.c.idx)
        .limit(MAX_WRITES)
    )
    return tuple(CheckpointWrite(*row[:5], node=_node(row[5])) for row in rows)


def _column(table: sa.Table, name: str, default: str | None) -> sa.ColumnElement[Any]:
    """The column where this version of LangGraph has it, else a constant."""
    return table.c[name] if name in table.c else sa.literal(default, sa.Text)
