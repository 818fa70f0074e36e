"""The host's schema as PostgreSQL's catalog has it; what is missing is said in words.

The catalog is read here, which is why SQL stands outside ``queries/`` and ``deletion/``. Tables are
those that the connection's ``search_path`` finds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from runmanager.conventions import Conventions
from runmanager.errors import HostError
from runmanager.host.ids import INTEGER_LIMITS
from runmanager.host.keys import read_row_keys
from runmanager.host.privileges import read_privileges, require_usable_schemas
from runmanager.host.values import (
    LANGGRAPH_TABLES,
    LOG_TABLES,
    Host,
    TraceTable,
    may_be_time,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REQUIRED = {
    "run_metadata": ("thread_id", "run_name", "status", "created_at", "user_id", "workspace_id"),
    "users": ("id", "username", "is_admin"),
}
# What a host can do that lacks one, where that is not plain.
_CURES = {"is_admin": "“My users have no admin flag” in docs/own-database.md makes one"}

_USUAL = Conventions()


@dataclass(frozen=True)
class _ForeignKey:
    table: int
    columns: tuple[str, ...]
    to_table: int
    to_columns: tuple[str, ...]
    on_delete: str

    @property
    def is_cascade(self) -> bool:
        return self.on_delete == "c"


def read_host(connection: sa.Connection, conventions: Conventions = _USUAL) -> Host:
    """The host's schema as this connection sees it.

    Raises HostError, in one sentence that names it, for a missing table or column, or for a GRANT
    without which nothing works.
    """
    trace_tables = conventions.trace_tables
    tables = _read_tables(connection)
    found = {table.name: (oid, table) for oid, table in tables.items()}
    known = {*REQUIRED, "workspaces", *LANGGRAPH_TABLES, *LOG_TABLES, *trace_tables}
    require_usable_schemas(connection, known, found)
    _require_columns({name: table for name, (_oid, table) in found.items()})
    runs_oid, runs = found["run_metadata"]
    keys = _read_foreign_keys(connection, tables)
    to_runs: dict[int, list[_ForeignKey]] = {}
    for key in keys:
        if key.to_table == runs_oid:
            to_runs.setdefault(key.table, []).append(key)
    itself = to_runs.pop(runs_oid, [])
    going: dict[int, TraceTable] = {}
    staying: list[TraceTable] = []
    for oid, table in tables.items():
        trace = _as_trace(table, to_runs.get(oid, []), runs)
        if trace is None or oid == runs_oid or table.info["kind"] not in {"r", "p"}:
            continue
        if _goes_with_a_run(table.name, oid in to_runs, trace_tables):
            going[oid] = trace
        else:
            staying.append(trace)
    _require_named(trace_tables, {trace.name for trace in going.values()})
    host = Host(
        runs=runs,
        users=found["users"][1],
        workspaces=_workspaces(found),
        traces=_children_first(going, keys),
        left_behind=tuple(sorted(staying, key=lambda trace: trace.name)),
        logs=tuple(trace for trace in going.values() if trace.name in LOG_TABLES),
        cascades=tuple(
            (key.columns[0], key.to_columns[0])
            for key in itself
            if key.is_cascade and len(key.columns) == 1
        ),
        refers_to_itself=bool(itself),
        conventions=conventions,
    )
    return replace(host, privileges=read_privileges(connection, host))


def _read_tables(connection: sa.Connection) -> dict[int, sa.Table]:
    catalog = sa.table(
        "pg_class",
        *map(
            sa.column,
            ("oid", "relname", "relnamespace", "relkind", "relispartition", "relpersistence"),
        ),
    )
    namespace = sa.table("pg_namespace", sa.column("oid"), sa.column("nspname"))
    attribute = sa.table(
        "pg_attribute",
        *map(sa.column, ("attrelid", "attname", "atttypid", "attnum", "attisdropped")),
    )
    rows = connection.execute(
        sa.select(
            catalog.c.oid,
            namespace.c.nspname,
            catalog.c.relname,
            catalog.c.relkind,
            attribute.c.attname,
            attribute.c.attnum,
            sa.func.format_type(attribute.c.atttypid, sa.null()).label("type"),
        )
        .join(namespace, namespace.c.oid == catalog.c.relnamespace)
        .join(attribute, attribute.c.attrelid == catalog.c.oid)
        .where(
            catalog.c.relkind.in_(["r", "p", "v", "m"]),
            # A partition's rows are counted and deleted through its parent.
            ~catalog.c.relispartition,
            catalog.c.relpersistence != "t",
            namespace.c.nspname.not_in(["pg_catalog", "information_schema"]),
            sa.func.pg_table_is_visible(catalog.c.oid),
            attribute.c.attnum > 0,
            ~attribute.c.attisdropped,
        )
        .order_by(catalog.c.relname, attribute.c.attnum)
    ).all()
    columns: dict[int, list[sa.Column[Any]]] = {}
    named: dict[int, tuple[str, str, str]] = {}
    for row in rows:
        named[row.oid] = (row.nspname, row.relname, row.relkind)
        columns.setdefault(row.oid, []).append(
            sa.Column(
                row.attname,
                _column_type(row.type),
                info={"type": row.type, "number": row.attnum},
            )
        )
    metadata = sa.MetaData()
    keys = read_row_keys(connection, (*LANGGRAPH_TABLES, *LOG_TABLES))
    return {
        oid: sa.Table(
            name,
            metadata,
            *columns[oid],
            schema=schema,
            info={"kind": kind, "oid": oid, "key": keys.get(oid, ())},
        )
        for oid, (schema, name, kind) in named.items()
    }


def _column_type(name: str) -> sa.types.TypeEngine[Any]:
    if name == "uuid":
        return sa.Uuid()
    if name in INTEGER_LIMITS:
        return sa.BigInteger()
    if name in {"text", "character varying"}:
        return sa.Text()
    if name in {"json", "jsonb"}:
        return JSONB()
    if name == "boolean":
        return sa.Boolean()
    return sa.types.NullType()


def _read_foreign_keys(
    connection: sa.Connection, tables: Mapping[int, sa.Table]
) -> list[_ForeignKey]:
    """The foreign keys between these tables."""
    constraint = sa.table(
        "pg_constraint",
        *map(sa.column, ("conrelid", "confrelid", "contype", "conkey", "confkey", "confdeltype")),
    )
    rows = connection.execute(
        sa.select(
            constraint.c.conrelid,
            constraint.c.conkey,
            constraint.c.confrelid,
            constraint.c.confkey,
            constraint.c.confdeltype,
        ).where(constraint.c.contype == "f")
    ).all()

    def names(oid: int, numbers: Sequence[int]) -> tuple[str, ...]:
        by_number = {column.info["number"]: column.name for column in tables[oid].c}
        return tuple(by_number[number] for number in numbers)

    return [
        _ForeignKey(
            row.conrelid,
            names(row.conrelid, row.conkey),
            row.confrelid,
            names(row.confrelid, row.confkey),
            row.confdeltype,
        )
        for row in rows
        if row.conrelid in tables and row.confrelid in tables
    ]


def _as_trace(table: sa.Table, to_runs: Sequence[_ForeignKey], runs: sa.Table) -> TraceTable | None:
    """How the table's rows belong to runs, if they do."""
    if any("thread_id" in key.columns for key in to_runs):
        return TraceTable(table.name, table, table.c.thread_id)
    # A table that the database would empty by itself is deleted and counted by name instead: a
    # receipt that left it out would be wrong.
    for key in to_runs:
        if key.is_cascade and len(key.columns) == 1:
            through = None if key.to_columns == ("thread_id",) else runs.c[key.to_columns[0]]
            return TraceTable(table.name, table, table.c[key.columns[0]], through)
    return TraceTable(table.name, table, table.c.thread_id) if "thread_id" in table.c else None


def _goes_with_a_run(name: str, refers_to_runs: bool, trace_tables: Sequence[str]) -> bool:
    return name in (*LANGGRAPH_TABLES, *LOG_TABLES, *trace_tables) or refers_to_runs


def _require_columns(tables: Mapping[str, sa.Table]) -> None:
    for name, columns in REQUIRED.items():
        if name not in tables:
            raise HostError(
                f"The database has no table “{name}” on its search_path: is this the "
                "LangGraph application's database?"
            )
        for column in columns:
            if column not in tables[name].c:
                cure = f": {_CURES[column]}" if column in _CURES else ""
                raise HostError(
                    f"The table “{name}” has no column “{column}”, which is needed{cure}."
                )
    created_at = tables["run_metadata"].c.created_at
    if not may_be_time(created_at):
        raise HostError(
            "The column “created_at” of “run_metadata” is of type "
            f"{created_at.info['type']}, where a timestamp, a date or an ISO 8601 text is needed."
        )


def _require_named(trace_tables: Sequence[str], found: set[str]) -> None:
    for name in trace_tables:
        if name not in found:
            raise HostError(
                f"RUNMANAGER_TRACE_TABLES names “{name}”, but the database has no such table with "
                "a column “thread_id”."
            )


def _workspaces(found: Mapping[str, tuple[int, sa.Table]]) -> sa.Table | None:
    table = found["workspaces"][1] if "workspaces" in found else None
    return table if table is not None and {"id", "name"} <= set(table.c.keys()) else None


def _children_first(
    going: dict[int, TraceTable], keys: list[_ForeignKey]
) -> tuple[TraceTable, ...]:
    order: TopologicalSorter[int] = TopologicalSorter(dict.fromkeys(going, ()))
    for key in keys:
        if key.table in going and key.to_table in going and key.table != key.to_table:
            order.add(key.to_table, key.table)
    try:
        return tuple(going[oid] for oid in order.static_order())
    except CycleError:
        # Tables that refer to each other need deferred constraints anyway: any order serves.
        return tuple(going.values())
