"""The host's schema: what it must have, what it has, and what is missing, in words.

Read once at the start from PostgreSQL's catalog, which is why the only SQL outside ``queries/`` and
``deletion/`` stands here. Tables are those the connection's ``search_path`` finds.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from runmanager.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

REQUIRED = {
    "run_metadata": ("thread_id", "run_name", "status", "created_at", "user_id", "workspace_id"),
    "users": ("id", "username", "password_hash", "is_admin"),
}
LANGGRAPH_TABLES = ("checkpoint_writes", "checkpoint_blobs", "checkpoints")
LOG_TABLES = ("logs", "thread_logs")
_INTEGER_LIMITS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}


@dataclass(frozen=True)
class TraceTable:
    """A table with rows that belong to a run.

    ``key`` is the column that holds its thread_id; or, where ``through`` is set, the value of that
    column of ``run_metadata``.
    """

    name: str
    table: sa.Table
    key: sa.Column[Any]
    through: sa.Column[Any] | None = None

    def of(self, thread_ids: Iterable[str]) -> sa.ColumnElement[bool]:
        """The condition that a row belongs to one of these runs."""
        if self.through is None:
            return has_id(self.key, thread_ids)
        runs = self.through.table
        return self.key.in_(sa.select(self.through).where(has_id(runs.c.thread_id, thread_ids)))

    @property
    def thread_id(self) -> sa.ColumnElement[str]:
        """The thread_id, as text, of the run that a row belongs to."""
        if self.through is None:
            return sa.cast(self.key, sa.Text)
        runs = self.through.table
        found = sa.select(sa.cast(runs.c.thread_id, sa.Text)).where(self.through == self.key)
        return found.scalar_subquery()


@dataclass(frozen=True)
class Hints:
    """What the indexes on ``run_metadata`` are good for when it is read.

    ``indexed`` are the columns that an index begins with, ``ordered`` those behind which one has
    the order of the list. ``nulls_last`` is the form in which that order is asked for. With
    ``has_trigrams`` a part of an id or a name can be looked up. With ``has_idle_users`` few of the
    users have runs at all.
    """

    indexed: frozenset[str] = frozenset()
    ordered: frozenset[str] = frozenset()
    nulls_last: bool = False
    has_trigrams: bool = False
    has_idle_users: bool = False


@dataclass(frozen=True)
class Host:
    """The tables of the host that Run Manager works with.

    ``traces`` go with a run, in the order in which they can be deleted; ``left_behind`` hold rows
    of runs too and are never touched. ``refers_to_itself`` says that a run's row can hold another's
    in place; ``cascades`` are the pairs of columns, a rerun's and its parent's, by which deleting a
    parent's row would make the database delete the rerun's as well. ``hidden`` are the ids of runs
    that are deleted, though the replica that is read may still show them.
    """

    runs: sa.Table
    users: sa.Table
    workspaces: sa.Table | None
    traces: tuple[TraceTable, ...]
    left_behind: tuple[TraceTable, ...]
    logs: tuple[TraceTable, ...]
    cascades: tuple[tuple[str, str], ...] = ()
    refers_to_itself: bool = False
    hints: Hints = field(default_factory=Hints)
    hidden: frozenset[str] = frozenset()

    def trace(self, name: str) -> sa.Table | None:
        """The trace table called ``name``, or None where the host has none."""
        return next((trace.table for trace in self.traces if trace.name == name), None)


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


def read_host(connection: sa.Connection, trace_tables: Sequence[str] = ()) -> Host:
    """The host's schema as this connection sees it.

    ``trace_tables`` names further tables whose rows go with a run. Raises HostError, in one
    sentence that names it, for a missing table or column.
    """
    tables = _read_tables(connection)
    found = {table.name: (oid, table) for oid, table in tables.items()}
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
    return Host(
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
    )


def is_time(column: sa.Column[Any]) -> bool:
    """Whether the column holds timestamps, with or without a zone."""
    return str(column.info["type"]).startswith("timestamp")


def native_ids(column: sa.Column[Any], texts: Iterable[str]) -> list[Any]:
    """The ids among ``texts`` that a column of this type can hold, in its own type.

    Others (not a uuid, past 64 bits, a NUL, a lone surrogate) can match no row and are left out,
    where sending them would raise. An id is its text as PostgreSQL prints it: ``007`` or a uuid in
    capitals is another id than ``7``, in a column of numbers too.
    """
    kind = column.info["type"]
    values = (_native(kind, text) for text in texts)
    return [value for value in values if value is not None]


def has_id(column: sa.Column[Any], texts: Iterable[str]) -> sa.ColumnElement[bool]:
    """The condition that ``column`` is one of the ids ``texts``."""
    values = native_ids(column, texts)
    if not values:
        return sa.false()
    kind = column.type if isinstance(column.type, (sa.Uuid, sa.BigInteger, sa.Text)) else sa.Text()
    compared = column if kind is column.type else sa.cast(column, sa.Text)
    if len(values) == 1:
        # An index on (this column, a time) gives its rows in order only where it is one value.
        return compared == sa.literal(values[0], kind)
    # One array parameter: an IN list stops at 65,535 values.
    return compared == sa.any_(sa.literal(values, sa.ARRAY(kind)))


def printed_value(column: sa.Column[Any], text: str) -> sa.ColumnElement[Any]:
    """A value of ``column`` that PostgreSQL printed as ``text``, back in the column's own type."""
    return sa.cast(sa.literal(text, sa.Text), _TypeByName(column.info["type"]))


class _TypeByName(sa.types.UserDefinedType[Any]):
    """Any type of PostgreSQL's or the host's, by the name that the catalog gives it."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_options: Any) -> str:
        """The type's name."""
        return self.name


def same_id(one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """The condition that two id columns, perhaps of different types, hold the same id."""
    if type(one.type) is type(other.type) and not isinstance(one.type, sa.types.NullType):
        return one == other
    return sa.cast(one, sa.Text) == sa.cast(other, sa.Text)


def _native(kind: str, text: str) -> Any:
    if kind == "uuid":
        try:
            found = uuid.UUID(text)
        except ValueError:
            return None
        return found if str(found) == text else None
    if kind in _INTEGER_LIMITS:
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 20:  # noqa: PLR2004  64 bits have 19
            return None
        value = int(text)
        fits = -_INTEGER_LIMITS[kind] <= value < _INTEGER_LIMITS[kind]
        return value if fits and str(value) == text else None
    return text if storable(text) else None


def storable(text: str) -> bool:
    """Whether PostgreSQL's text can hold ``text``: it has no NUL and no lone surrogate."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


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
    return {
        oid: sa.Table(name, metadata, *columns[oid], schema=schema, info={"kind": kind, "oid": oid})
        for oid, (schema, name, kind) in named.items()
    }


def _column_type(name: str) -> sa.types.TypeEngine[Any]:
    if name == "uuid":
        return sa.Uuid()
    if name in _INTEGER_LIMITS:
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
                raise HostError(f"The table “{name}” has no column “{column}”, which is needed.")
    created_at = tables["run_metadata"].c.created_at
    if not is_time(created_at):
        raise HostError(
            "The column “created_at” of “run_metadata” is of type "
            f"{created_at.info['type']}, where a timestamp is needed."
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
