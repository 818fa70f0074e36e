"""LangGraph's checkpoints of a run: their timeline, one opened, its writes, and stored values.

Pickled and msgpack content is never read, only measured: deserialising it has been a published
vulnerability.

Each saver makes these tables in its own way. PostgresSaver has all of the columns.
ShallowPostgresSaver keeps one checkpoint for each namespace, with its id in the JSON only, and
blobs without a version. The saver that langchain-postgres had before these knows a checkpoint by
its time, ``thread_ts``, and keeps it as bytes. LangGraph Platform's ids are of type uuid. So each
column but ``thread_id`` may be missing or of another type: what is not there is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from runmanager.errors import RunNotFoundError
from runmanager.host.ids import has_id, storable
from runmanager.host.values import is_time
from runmanager.paging import Page, PageRequest
from runmanager.queries.run.columns import (
    first,
    json_field,
    size_of,
    sortable,
    stored_bytes,
    text_of,
)
from runmanager.queries.run.detail import json_columns, json_text
from runmanager.queries.run.excerpts import holds_bytes
from runmanager.queries.run.row_keys import has_key, printed_key, row_key
from runmanager.records import Blob, CheckpointDetail, CheckpointSummary, CheckpointWrite

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runmanager.host.values import Host

MAX_WRITES = 500
_PULL = "~__pregel_pull, "
_NAMESPACE = "checkpoint_ns"
_INDEX_DIGITS = 18


@dataclass(frozen=True)
class _Columns:
    """What the columns of one host's ``checkpoints`` are for, as their names say."""

    table: sa.Table
    id_column: sa.Column[Any] | None
    parent: sa.Column[Any] | None
    checkpoint: sa.Column[Any] | None
    metadata: sa.Column[Any] | None

    @classmethod
    def of(cls, table: sa.Table) -> _Columns:
        return cls(
            table,
            first(table, "checkpoint_id", "thread_ts"),
            first(table, "parent_checkpoint_id", "parent_ts"),
            first(table, "checkpoint"),
            first(table, "metadata"),
        )

    @property
    def checkpoint_id(self) -> sa.ColumnElement[Any]:
        """The id as text: without a column for it, it is in the checkpoint's JSON."""
        if self.id_column is None:
            return json_field(self.checkpoint, "id")
        return text_of(self.id_column)

    @property
    def time(self) -> sa.ColumnElement[Any]:
        """The time as text, as it is in the checkpoint's JSON; else it is the id, or unknown."""
        written = json_field(self.checkpoint, "ts")
        if self.id_column is None or not is_time(self.id_column):
            return written
        return sa.func.coalesce(written, text_of(self.id_column))

    @property
    def ids_differ(self) -> bool:
        """Whether no two checkpoints of a run have the same namespace and id."""
        names = {"thread_id", _NAMESPACE, "" if self.id_column is None else self.id_column.name}
        return bool(self.table.info["key"]) and names.issuperset(self.table.info["key"])

    def has_id(self, text: str) -> sa.ColumnElement[bool]:
        """The condition that a checkpoint has this id, in the column's own type."""
        if self.id_column is not None:
            return has_id(self.id_column, [text])
        return self.checkpoint_id == sa.literal(text, sa.Text) if storable(text) else sa.false()

    def newest_first(self) -> tuple[sa.ColumnElement[Any], ...]:
        """An id is a UUIDv6 or a time: its order is that of time. No two rows are equal in this."""
        is_whole = self.id_column is not None and self.id_column.name in self.table.info["key"]
        by_id = self.checkpoint_id if self.id_column is None else sortable(self.id_column)
        # NULLS LAST would be another order than that of an index.
        newest = (
            (by_id.desc(),)
            if is_whole
            else (by_id.desc().nulls_last(), self.time.desc().nulls_last())
        )
        return (*newest, _namespace(self.table), *row_key(self.table))

    def summaries(self) -> sa.Select[Any]:
        return sa.select(
            self.checkpoint_id.label("checkpoint_id"),
            _namespace(self.table).label("namespace"),
            text_of(self.parent).label("parent_id"),
            self.time.label("time"),
            json_field(self.metadata, "step").label("step"),
            json_field(self.metadata, "source").label("source"),
            stored_bytes([self.checkpoint, self.metadata]).label("stored_bytes"),
            postgresql.array([sa.cast(one, sa.Text) for one in row_key(self.table)]).label("key"),
        )

    def documents(self) -> tuple[sa.Label[Any], ...]:
        """The columns for ``_opened``: state and metadata, neither of them where it is bytes."""
        named = (("state", self.checkpoint), ("metadata", self.metadata))
        return tuple(
            label
            for name, column in named
            for label in (
                *json_columns(sa.null() if column is None or holds_bytes(column) else column, name),
                size_of(column).label(f"{name}_bytes"),
            )
        )


def list_checkpoints(
    connection: sa.Connection, host: Host, thread_id: str, request: PageRequest
) -> Page[CheckpointSummary]:
    """One page of a run's checkpoints, newest first; the last page past the end."""
    table = host.trace("checkpoints")
    if table is None:
        return Page((), 0, 1, request.size)
    columns = _Columns.of(table)
    where = has_id(table.c.thread_id, [thread_id])
    total = connection.scalar(sa.select(sa.func.count()).select_from(table).where(where)) or 0
    window = request.within(total)
    rows = connection.execute(
        columns.summaries()
        .where(where)
        .order_by(*columns.newest_first())
        .limit(window.size)
        .offset(window.offset)
    ).all()
    found = _summaries(connection, host, thread_id, columns, rows)
    return Page(found, total, window.number, window.size)


def open_checkpoint(
    connection: sa.Connection, host: Host, thread_id: str, namespace: str, key: str
) -> CheckpointDetail:
    """One checkpoint, by its id or its key, with its JSON state, metadata and first 500 writes.

    Raises RunNotFoundError when it is gone.
    """
    table = host.trace("checkpoints")
    if table is None:
        raise RunNotFoundError
    columns = _Columns.of(table)
    # One after the other: with OR between them, neither's index would be used.
    for condition in (columns.has_id(key), has_key(table, key)):
        statement = (
            columns.summaries()
            .add_columns(*columns.documents())
            .where(has_id(table.c.thread_id, [thread_id]), condition, _is_in(table, namespace))
        )
        row = connection.execute(statement.limit(1)).one_or_none()
        if row is not None:
            return _opened(connection, host, thread_id, columns, row)
    raise RunNotFoundError("This checkpoint is gone: its run was deleted or went on.")


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
    channel, version = first(table, "channel"), first(table, "version")
    rows = connection.execute(
        sa.select(
            text_of(channel),
            _namespace(table),
            text_of(version),
            text_of(first(table, "type")),
            _bytes(table),
        )
        .where(where)
        .order_by(
            *([] if channel is None else [sortable(channel)]),
            _namespace(table),
            *([] if version is None else [sortable(version).desc().nulls_last()]),
            *row_key(table),
        )
        .limit(window.size)
        .offset(window.offset)
    )
    return Page(tuple(Blob(*row) for row in rows), total, window.number, window.size)


def _opened(
    connection: sa.Connection, host: Host, thread_id: str, columns: _Columns, row: sa.Row[Any]
) -> CheckpointDetail:
    (summary,) = _summaries(connection, host, thread_id, columns, [row])
    return CheckpointDetail(
        summary=summary,
        state=json_text(row, "state"),
        state_bytes=row.state_bytes,
        metadata=json_text(row, "metadata"),
        metadata_bytes=row.metadata_bytes,
        writes=_writes(connection, host, thread_id, columns, summary),
    )


def _summaries(
    connection: sa.Connection,
    host: Host,
    thread_id: str,
    columns: _Columns,
    rows: Sequence[sa.Row[Any]],
) -> tuple[CheckpointSummary, ...]:
    ids = {one for row in rows for one in (row.checkpoint_id, row.parent_id) if one is not None}
    paths = _task_paths(connection, host, thread_id, columns, ids)
    return tuple(
        CheckpointSummary(
            checkpoint_id=row.checkpoint_id,
            # An empty id would be none in an address.
            key=row.checkpoint_id
            if row.checkpoint_id and columns.ids_differ
            else printed_key(row.key),
            namespace=row.namespace,
            parent_id=row.parent_id,
            time=row.time,
            step=row.step,
            source=row.source,
            # What a step's nodes wrote is kept with the checkpoint they started from.
            nodes=_nodes(paths.of(row.namespace, row.parent_id) or ()),
            writes=_total(paths.of(row.namespace, row.checkpoint_id)),
            stored_bytes=row.stored_bytes,
        )
        for row in rows
    )


@dataclass(frozen=True)
class _TaskPaths:
    """How many writes there are at some checkpoints, by the path of the task that wrote them.

    ``found`` is None where the host does not say to which checkpoint a write belongs.
    """

    found: dict[tuple[str, str], list[tuple[str | None, int]]] | None
    has_namespaces: bool = True

    def of(self, namespace: str, checkpoint_id: str | None) -> list[tuple[str | None, int]] | None:
        """Those of one checkpoint; None where they are not known."""
        if self.found is None or checkpoint_id is None:
            return None
        return self.found.get((namespace if self.has_namespaces else "", checkpoint_id), [])


def _task_paths(
    connection: sa.Connection,
    host: Host,
    thread_id: str,
    columns: _Columns,
    checkpoint_ids: Iterable[str],
) -> _TaskPaths:
    table = host.trace("checkpoint_writes")
    if table is None:
        return _TaskPaths({})
    of = first(table, "checkpoint_id")
    if of is None:
        return _TaskPaths(None)
    has_namespaces = _have_namespaces(table, columns.table)
    rows = connection.execute(
        sa.select(
            _namespace(table) if has_namespaces else sa.literal("", sa.Text),
            text_of(of),
            text_of(first(table, "task_path")),
            sa.func.count(),
        )
        .where(has_id(table.c.thread_id, [thread_id]), has_id(of, checkpoint_ids))
        .group_by(*(sa.literal_column(str(number)) for number in (1, 2, 3)))
    )
    found: dict[tuple[str, str], list[tuple[str | None, int]]] = {}
    for namespace, checkpoint_id, task_path, count in rows:
        found.setdefault((namespace, checkpoint_id), []).append((task_path, count))
    return _TaskPaths(found, has_namespaces)


def _total(paths: Iterable[tuple[str | None, int]] | None) -> int | None:
    return None if paths is None else sum(count for _path, count in paths)


def _nodes(paths: Iterable[tuple[str | None, int]]) -> tuple[str, ...]:
    names = (_node(path) for path, _count in paths)
    return tuple(sorted({name for name in names if name is not None}))


def _node(task_path: str | None) -> str | None:
    """The node of a task's path, which LangGraph writes as ``~__pregel_pull, <node>``."""
    if not task_path or not task_path.startswith(_PULL):
        return None
    return task_path.removeprefix(_PULL)


def _writes(
    connection: sa.Connection,
    host: Host,
    thread_id: str,
    columns: _Columns,
    checkpoint: CheckpointSummary,
) -> tuple[CheckpointWrite, ...]:
    table = host.trace("checkpoint_writes")
    of = None if table is None else first(table, "checkpoint_id")
    if table is None or of is None or checkpoint.checkpoint_id is None:
        return ()
    task, index = first(table, "task_id"), first(table, "idx")
    where = [has_id(table.c.thread_id, [thread_id]), has_id(of, [checkpoint.checkpoint_id])]
    if _have_namespaces(table, columns.table):
        where.append(_is_in(table, checkpoint.namespace))
    rows = connection.execute(
        sa.select(
            text_of(task),
            text_of(index),
            text_of(first(table, "channel")),
            text_of(first(table, "type")),
            _bytes(table),
            text_of(first(table, "task_path")),
        )
        .where(*where)
        .order_by(*(sortable(one) for one in (task, index) if one is not None), *row_key(table))
        .limit(MAX_WRITES)
    )
    return tuple(
        CheckpointWrite(
            task_id=row[0],
            index=_whole_number(row[1]),
            channel=row[2],
            type=row[3],
            bytes=row[4],
            node=_node(row[5]),
        )
        for row in rows
    )


def _namespace(table: sa.Table) -> sa.ColumnElement[Any]:
    """The namespace as text: that of the outermost graph is empty, as is one that is not kept."""
    return sa.func.coalesce(text_of(first(table, _NAMESPACE)), "")


def _is_in(table: sa.Table, namespace: str) -> sa.ColumnElement[bool]:
    """The condition that ``_namespace`` is this one, in the column's own type."""
    column = first(table, _NAMESPACE)
    if column is None:
        return sa.false() if namespace else sa.true()
    same = has_id(column, [namespace])
    if namespace or _NAMESPACE in table.info["key"]:
        return same
    return sa.or_(same, column.is_(None))


def _have_namespaces(*tables: sa.Table) -> bool:
    return all(_NAMESPACE in table.c for table in tables)


def _bytes(table: sa.Table) -> sa.ColumnElement[Any]:
    """The size of a stored value; 0 where it is NULL, None where the table has none."""
    # Known from its pointer: 200 MB are not read to say so.
    blob = first(table, "blob")
    size = size_of(blob)
    return size if blob is None else sa.func.coalesce(size, 0)


def _whole_number(text: str | None) -> int | None:
    """The number that a column of any type holds, where it is one that a browser can show too."""
    digits = (text or "").removeprefix("-")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= _INDEX_DIGITS
    return int(text or "") if is_number else None
