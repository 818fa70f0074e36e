"""Reads indexes, foreign keys and the trigram extension from PostgreSQL's catalog.

Only indexes that are valid and ready are read. Of a partitioned table its own are read, not its
partitions'.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.queries.catalog.indexes import Index, IndexKey, Reference, Trigram

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runmanager.host.values import Host

_IS_DESCENDING, _NULLS_FIRST = 1, 2  # the bits of pg_index.indoption


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
    going = [host.own.stored, *(trace.stored for trace in host.traces)]
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
