"""The indexes of the host's tables, and what they can be used for.

Only valid and ready ones are read, and none that is partial counts as a help: it serves its own
condition only. Of a partitioned table its own are read, not its partitions'.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runmanager.host.values import Host

_TRIGRAM_CLASSES = {"gin_trgm_ops", "gist_trgm_ops"}
_IS_DESCENDING, _NULLS_FIRST = 1, 2  # the bits of pg_index.indoption


@dataclass(frozen=True)
class IndexKey:
    """One key of an index.

    ``column`` is its column; of an expression only a cast to text has one, and is marked so by
    ``is_cast``. ``own_collation`` is False where the index sorts by another than the column's.
    """

    expression: str
    column: str | None
    is_cast: bool
    is_descending: bool
    nulls_first: bool
    operator_class: str
    own_collation: bool

    @property
    def nulls_last_from_the_top(self) -> bool:
        """Whether the index, read from the highest value down, ends with the NULLs.

        ``ORDER BY … DESC NULLS LAST`` can use such a key only, and plain ``DESC`` only another.
        """
        return self.is_descending != self.nulls_first

    def holds(self, column: sa.Column[Any]) -> bool:
        """Whether the key is the column itself, in a form that can be compared with it."""
        return self.column == column.name and not self.is_cast and self.own_collation


@dataclass(frozen=True)
class Index:
    """One index of the host, with its keys in order."""

    schema: str
    table: str
    name: str
    method: str
    is_unique: bool
    is_partial: bool
    keys: tuple[IndexKey, ...]


@dataclass(frozen=True)
class Reference:
    """A foreign key: ``columns`` of one table that refer to another, called ``to_table``."""

    table: sa.Table
    columns: tuple[sa.Column[Any], ...]
    to_table: str


@dataclass(frozen=True)
class Trigram:
    """PostgreSQL's extension pg_trgm as this database has it.

    ``operator_class`` is the one for GIN as the search_path finds it, None where the extension is
    not installed; ``is_available`` says whether the server could install it.
    """

    is_available: bool
    operator_class: tuple[str, ...] | None


def read_indexes(connection: sa.Connection, tables: Iterable[sa.Table]) -> tuple[Index, ...]:
    """Every usable index of these tables, in one statement."""
    index = sa.table(
        "pg_index",
        *map(sa.column, ("indexrelid", "indrelid", "indnkeyatts", "indisunique", "indpred")),
        *map(sa.column, ("indisvalid", "indisready", "indislive")),
        *(
            sa.column(name, sa.ARRAY(sa.Integer))
            for name in ("indkey", "indclass", "indcollation", "indoption")
        ),
    )
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relname", "relnamespace", "relam")))
    table, itself = relation.alias("t"), relation.alias("i")
    namespace = sa.table("pg_namespace", sa.column("oid"), sa.column("nspname"))
    method = sa.table("pg_am", sa.column("oid"), sa.column("amname"))
    operators = sa.table("pg_opclass", sa.column("oid"), sa.column("opcname"))
    attribute = sa.table(
        "pg_attribute", *map(sa.column, ("attrelid", "attnum", "attname", "attcollation"))
    )
    number = (
        sa.func.generate_series(1, index.c.indnkeyatts)
        .table_valued("n", name="key")
        .render_derived()
    )
    at = number.c.n - 1  # these arrays begin at 0
    rows = connection.execute(
        sa.select(
            namespace.c.nspname,
            table.c.relname.label("table"),
            itself.c.relname.label("name"),
            method.c.amname,
            index.c.indisunique,
            index.c.indpred.is_not(None).label("is_partial"),
            sa.func.pg_get_indexdef(index.c.indexrelid, number.c.n, True).label("expression"),
            attribute.c.attname,
            index.c.indoption[at].label("option"),
            operators.c.opcname,
            sa.func.coalesce(attribute.c.attcollation == index.c.indcollation[at], True).label(
                "own_collation"
            ),
        )
        .select_from(index)
        .join(table, table.c.oid == index.c.indrelid)
        .join(namespace, namespace.c.oid == table.c.relnamespace)
        .join(itself, itself.c.oid == index.c.indexrelid)
        .join(method, method.c.oid == itself.c.relam)
        .join(number, sa.true())
        .join(operators, operators.c.oid == index.c.indclass[at])
        .outerjoin(
            attribute,
            (attribute.c.attrelid == index.c.indrelid) & (attribute.c.attnum == index.c.indkey[at]),
        )
        .where(
            index.c.indisvalid,
            index.c.indisready,
            index.c.indislive,
            is_one_of(namespace.c.nspname, table.c.relname, tables),
        )
        .order_by(namespace.c.nspname, table.c.relname, itself.c.relname, number.c.n)
    ).all()
    found = (tuple(keys) for _name, keys in groupby(rows, lambda row: (row.nspname, row.name)))
    return tuple(
        Index(
            schema=keys[0].nspname,
            table=keys[0].table,
            name=keys[0].name,
            method=keys[0].amname,
            is_unique=keys[0].indisunique,
            is_partial=keys[0].is_partial,
            keys=tuple(map(_key, keys)),
        )
        for keys in found
    )


def read_references(connection: sa.Connection, host: Host) -> tuple[Reference, ...]:
    """The foreign keys, of whichever table in whichever schema, on what goes with a run."""
    constraint = sa.table(
        "pg_constraint",
        *map(sa.column, ("oid", "conrelid", "confrelid", "contype", "conparentid")),
        *(sa.column(name, sa.ARRAY(sa.Integer)) for name in ("conkey", "confkey")),
    )
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relname", "relnamespace", "relkind")))
    namespace = sa.table("pg_namespace", sa.column("oid"), sa.column("nspname"))
    attribute = sa.table(
        "pg_attribute", *map(sa.column, ("attrelid", "attnum", "attname", "atttypid"))
    )
    table, its = relation.alias("t"), namespace.alias("tn")
    to, to_its = relation.alias("f"), namespace.alias("fn")
    going = [host.runs, *(trace.table for trace in host.traces)]
    number = (
        sa.func.generate_subscripts(constraint.c.conkey, 1)
        .table_valued("n", name="key")
        .render_derived()
    )
    rows = connection.execute(
        sa.select(
            constraint.c.oid,
            its.c.nspname.label("schema"),
            table.c.relname.label("table"),
            table.c.relkind.label("kind"),
            to.c.relname.label("to_table"),
            attribute.c.attname.label("column"),
            sa.func.format_type(attribute.c.atttypid, sa.null()).label("type"),
        )
        .select_from(constraint)
        .join(table, table.c.oid == constraint.c.conrelid)
        .join(its, its.c.oid == table.c.relnamespace)
        .join(to, to.c.oid == constraint.c.confrelid)
        .join(to_its, to_its.c.oid == to.c.relnamespace)
        .join(number, sa.true())
        .join(
            attribute,
            (attribute.c.attrelid == table.c.oid)
            & (attribute.c.attnum == constraint.c.conkey[number.c.n]),
        )
        .where(
            constraint.c.contype == "f",
            constraint.c.conparentid == 0,  # a partition's copy of its parent's is the same key
            is_one_of(to_its.c.nspname, to.c.relname, going),
        )
        .order_by(its.c.nspname, table.c.relname, constraint.c.oid, number.c.n)
    ).all()
    return tuple(_reference(tuple(keys)) for _oid, keys in groupby(rows, lambda row: row.oid))


def read_trigram(connection: sa.Connection) -> Trigram:
    """Whether pg_trgm is there, and by which name."""
    available = sa.table("pg_available_extensions", sa.column("name"))
    operators = sa.table("pg_opclass", *map(sa.column, ("oid", "opcname", "opcnamespace")))
    namespace = sa.table("pg_namespace", sa.column("oid"), sa.column("nspname"))
    is_visible = sa.func.pg_opclass_is_visible(operators.c.oid)
    row = connection.execute(
        sa.select(namespace.c.nspname, operators.c.opcname, is_visible.label("is_visible"))
        .join(namespace, namespace.c.oid == operators.c.opcnamespace)
        .where(operators.c.opcname == "gin_trgm_ops")
        .order_by(is_visible.desc())
        .limit(1)
    ).one_or_none()
    if row is not None:
        named = (row.opcname,) if row.is_visible else (row.nspname, row.opcname)
        return Trigram(True, named)
    return Trigram(
        bool(connection.scalar(sa.select(sa.exists().where(available.c.name == "pg_trgm")))), None
    )


def has_order(
    indexes: Iterable[Index], host: Host, column: sa.Column[Any], nulls_last: bool
) -> bool:
    """Whether an index has the runs with one value of ``column`` in the order of the list."""
    return any(
        index.keys[1].nulls_last_from_the_top is nulls_last
        for index in leading(indexes, column, host.runs.c.created_at)
    )


def leading(
    indexes: Iterable[Index], column: sa.Column[Any], then: sa.Column[Any] | None = None
) -> tuple[Index, ...]:
    """The B-trees whose first key is ``column`` and, where it is given, whose second is ``then``.

    They find rows by the first and hold them in the order of what follows, upwards or downwards:
    where the NULLs are then, ``IndexKey.nulls_last_from_the_top`` says.
    """
    wanted = (column,) if then is None else (column, then)
    return tuple(
        index
        for index in _usable(indexes, column)
        if index.method == "btree"
        and len(index.keys) >= len(wanted)
        and all(key.holds(one) for key, one in zip(index.keys, wanted, strict=False))
        # Such a class compares byte by byte, which is no order of the column's own.
        and not any(
            key.operator_class.endswith("_pattern_ops") for key in index.keys[1 : len(wanted)]
        )
    )


def leads_with(
    indexes: Iterable[Index], column: sa.Column[Any], then: sa.Column[Any] | None = None
) -> bool:
    """Whether there is an index that ``leading`` would give."""
    return bool(leading(indexes, column, then))


def finds(indexes: Iterable[Index], column: sa.Column[Any]) -> bool:
    """Whether an index finds the rows with one value of ``column``, in whatever order."""
    indexes = tuple(indexes)
    return leads_with(indexes, column) or any(
        index.method == "hash" and index.keys[0].holds(column) for index in _usable(indexes, column)
    )


def begins_with(
    indexes: Iterable[Index], table: sa.Table, columns: Sequence[sa.Column[Any]]
) -> bool:
    """Whether an index finds the rows with given values of all these columns, in any order."""
    names = {column.name for column in columns}
    return any(
        {key.column for key in index.keys[: len(names)] if not key.is_cast} == names
        for index in indexes
        if index.method == "btree" and _is_on(index, table)
    ) or (len(columns) == 1 and finds(indexes, columns[0]))


def has_trigram(indexes: Iterable[Index], column: sa.Column[Any]) -> bool:
    """Whether a trigram index finds a part of the column's text."""
    return any(
        key.column == column.name and key.operator_class in _TRIGRAM_CLASSES
        for index in _usable(indexes, column)
        for key in index.keys
    )


def is_one_of(
    schema: sa.ColumnElement[Any], name: sa.ColumnElement[Any], tables: Iterable[sa.Table]
) -> sa.ColumnElement[bool]:
    """The condition that a row of the catalog, with this schema and name, is one of the tables."""
    return sa.tuple_(schema, name).in_([(table.schema, table.name) for table in tables])


def _reference(keys: Sequence[Any]) -> Reference:
    columns = tuple(sa.Column(key.column, info={"type": key.type}) for key in keys)
    first = keys[0]
    table = sa.Table(
        first.table, sa.MetaData(), *columns, schema=first.schema, info={"kind": first.kind}
    )
    return Reference(table, columns, first.to_table)


def _usable(indexes: Iterable[Index], column: sa.Column[Any]) -> tuple[Index, ...]:
    return tuple(index for index in indexes if _is_on(index, column.table))


def _is_on(index: Index, table: Any) -> bool:
    return (index.schema, index.table) == (table.schema, table.name) and not index.is_partial


def _key(row: sa.Row[Any]) -> IndexKey:
    column, is_cast = row.attname, False
    if column is None and row.expression.endswith("::text)"):
        # As PostgreSQL prints it: (thread_id::text), or ("Thread"::text) where quotes are needed.
        column = _unquoted(row.expression.removeprefix("(").removesuffix("::text)"))
        is_cast = column is not None
    return IndexKey(
        expression=row.expression,
        column=column,
        is_cast=is_cast,
        is_descending=bool(row.option & _IS_DESCENDING),
        nulls_first=bool(row.option & _NULLS_FIRST),
        operator_class=row.opcname,
        own_collation=row.own_collation,
    )


def _unquoted(text: str) -> str | None:
    """The name that ``text`` is as an identifier; None where it is more than a name."""
    if text.startswith('"') and text.endswith('"') and '"' not in text[1:-1].replace('""', ""):
        return text[1:-1].replace('""', '"')
    return text if text.isidentifier() or text.replace("$", "_").isidentifier() else None
