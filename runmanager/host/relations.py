"""Tables, views and foreign keys as PostgreSQL's catalog has them, read for the few that matter.

Like ``catalog.py`` it reads the catalog, which is why it sends SQL. A database may hold the tables
of many applications: of those that have nothing to do with runs only the foreign keys are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from runmanager.host.ids import INTEGER_LIMITS
from runmanager.host.keys import read_row_keys
from runmanager.reach import reached

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

TABLE_KINDS = ("r", "p")
_KINDS = (*TABLE_KINDS, "v", "m", "f")
_SYSTEM = ("pg_catalog", "information_schema")


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key: ``columns`` of ``table`` refer to ``to_columns`` of ``to_table``, by numbers.

    ``on_delete`` is the catalog's letter: c for CASCADE, n for SET NULL, d for SET DEFAULT, r for
    RESTRICT, a for NO ACTION. ``cleared`` are the columns that SET NULL and SET DEFAULT set, which
    since PostgreSQL 15 may be some only.
    """

    name: str
    table: int
    columns: tuple[int, ...]
    to_table: int
    to_columns: tuple[int, ...]
    on_delete: str
    cleared: tuple[int, ...]


@dataclass(frozen=True)
class Families:
    """What inherits from what, by oid. ``roots`` has a partition's topmost partitioned table."""

    parents: Mapping[int, frozenset[int]]
    roots: Mapping[int, int]

    @cached_property
    def with_heirs(self) -> frozenset[int]:
        """The plain tables that others inherit from."""
        heirs = (of for child, of in self.parents.items() if child not in self.roots)
        return frozenset(chain(*heirs))

    def root(self, oid: int) -> int:
        """The table that stands for this one: a partition's topmost parent, else itself."""
        return self.roots.get(oid, oid)

    def ancestors(self, oid: int) -> frozenset[int]:
        """Every table that this one inherits from or is a partition of."""
        return frozenset(reached(oid, self.parents))


def read_foreign_keys(connection: sa.Connection) -> tuple[ForeignKey, ...]:
    """Every foreign key that is enforced, each once: a partition's copy is its parent's."""
    constraint = sa.table(
        "pg_constraint",
        *map(
            sa.column, ("oid", "conname", "conrelid", "confrelid", "contype", "conkey", "confkey")
        ),
        *map(sa.column, ("confdeltype", "conparentid")),
    )
    # Columns that older servers lack are read out of the row as JSON.
    row = sa.func.to_jsonb(sa.literal_column("pg_constraint.*"), type_=JSONB)
    enforced = sa.func.coalesce(sa.cast(row["conenforced"].astext, sa.Boolean), True)
    rows = connection.execute(
        sa.select(
            constraint.c.conname,
            constraint.c.conrelid,
            constraint.c.conkey,
            constraint.c.confrelid,
            constraint.c.confkey,
            constraint.c.confdeltype,
            row["confdelsetcols"].label("cleared"),
        )
        .where(constraint.c.contype == "f", constraint.c.conparentid == 0, enforced)
        .order_by(constraint.c.conrelid, constraint.c.oid)
    )
    return tuple(
        ForeignKey(
            row.conname,
            row.conrelid,
            tuple(row.conkey),
            row.confrelid,
            tuple(row.confkey),
            row.confdeltype,
            tuple(row.cleared or row.conkey),
        )
        for row in rows
    )


def read_families(connection: sa.Connection) -> Families:
    """Who inherits from whom, partitions included."""
    inherits = sa.table("pg_inherits", sa.column("inhrelid"), sa.column("inhparent"))
    relation = sa.table("pg_class", sa.column("oid"), sa.column("relispartition"))
    rows = connection.execute(
        sa.select(inherits.c.inhrelid, inherits.c.inhparent, relation.c.relispartition).join(
            relation, relation.c.oid == inherits.c.inhrelid
        )
    ).all()
    parents: dict[int, set[int]] = {}
    partition_of: dict[int, int] = {}
    for child, parent, is_partition in rows:
        parents.setdefault(child, set()).add(parent)
        if is_partition:
            partition_of[child] = parent

    def root(oid: int) -> int:
        while oid in partition_of:
            oid = partition_of[oid]
        return oid

    return Families(
        {child: frozenset(of) for child, of in parents.items()},
        {partition: root(partition) for partition in partition_of},
    )


def find_named(connection: sa.Connection, names: Collection[str]) -> dict[str, int]:
    """The oids of the tables and views of these names: as the search_path finds them.

    Others, and those too, are found by a name with their schema, and as they are shown.
    """
    if not names:
        return {}
    relation, namespace = _relation(), _namespace()
    shown = shown_as(relation, namespace)
    whole = sa.func.concat(namespace.c.nspname, ".", relation.c.relname)
    with_dots = [name for name in sorted(names) if "." in name]
    rows = connection.execute(
        _visible(relation, namespace, shown.label("shown"), whole.label("whole")).where(
            relation.c.relkind.in_(_KINDS),
            sa.or_(
                relation.c.relname.in_(sorted(names)) & _is_visible(relation),
                shown.in_(with_dots),
                whole.in_(with_dots),
            ),
        )
    ).all()
    visible = {row.relname: row.oid for row in rows if row.is_visible}
    found = {row.whole: row.oid for row in rows} | {row.shown: row.oid for row in rows} | visible
    return {name: oid for name, oid in found.items() if name in names}


def find_with_thread_id(connection: sa.Connection) -> list[int]:
    """The oids of the tables, other servers' too, that have a column ``thread_id``.

    Those in the schemas of the search_path, also where another of the same name comes before.
    """
    relation, namespace = _relation(), _namespace()
    attribute = sa.table(
        "pg_attribute", *map(sa.column, ("attrelid", "attname", "attnum", "attisdropped"))
    )
    having = sa.select(attribute.c.attrelid).where(
        attribute.c.attname == "thread_id", attribute.c.attnum > 0, ~attribute.c.attisdropped
    )
    rows = connection.execute(
        _visible(relation, namespace)
        .where(
            relation.c.oid.in_(having),
            relation.c.relkind.in_([*TABLE_KINDS, "f"]),
            namespace.c.nspname == sa.any_(sa.func.current_schemas(sa.false())),
        )
        .order_by(relation.c.relname, namespace.c.nspname)
    )
    return [row.oid for row in rows]


def shown_as(relation: sa.FromClause, namespace: sa.FromClause) -> sa.ColumnElement[str]:
    """What a table is called: with its schema where the search_path does not find it."""
    own, its = _unmistakable(relation.c.relname), _unmistakable(namespace.c.nspname)
    return sa.case((_is_visible(relation), own), else_=sa.func.concat(its, ".", own))


def find_places(
    connection: sa.Connection, places: Collection[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """The oids of the tables with these schemas and names."""
    if not places:
        return {}
    relation, namespace = _relation(), _namespace()
    rows = connection.execute(
        sa.select(namespace.c.nspname, relation.c.relname, relation.c.oid)
        .join(namespace, namespace.c.oid == relation.c.relnamespace)
        .where(sa.tuple_(namespace.c.nspname, relation.c.relname).in_(sorted(places)))
    )
    return {(schema, name): oid for schema, name, oid in rows}


def _relation() -> sa.TableClause:
    return sa.table(
        "pg_class",
        *map(sa.column, ("oid", "relname", "relnamespace", "relkind", "relhassubclass")),
        *map(sa.column, ("relispartition", "relpersistence", "relhasrules")),
    )


def _namespace() -> sa.TableClause:
    return sa.table("pg_namespace", sa.column("oid"), sa.column("nspname"))


def _is_visible(relation: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.func.pg_table_is_visible(relation.c.oid, type_=sa.Boolean)


def _unmistakable(name: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """A name in quotes where it has a dot, which else would seem to part a schema from a table."""
    quoted = sa.func.concat('"', sa.func.replace(name, '"', '""'), '"')
    return sa.case((name.regexp_match('[."]'), quoted), else_=sa.cast(name, sa.Text))


def _visible(
    relation: sa.TableClause, namespace: sa.TableClause, *columns: sa.ColumnElement[Any]
) -> sa.Select[Any]:
    """The tables and views that are a host's own; a partition's rows are its parent's."""
    return (
        sa.select(
            relation.c.relname,
            relation.c.oid,
            _is_visible(relation).label("is_visible"),
            *columns,
        )
        .join(namespace, namespace.c.oid == relation.c.relnamespace)
        .where(
            ~relation.c.relispartition,
            relation.c.relpersistence != "t",
            namespace.c.nspname.not_in(_SYSTEM),
        )
    )


def read_tables(connection: sa.Connection, oids: Collection[int]) -> dict[int, sa.Table]:
    """These tables and views with their columns, by oid; those that are gone are left out.

    ``info`` of each has its oid, kind, row key and ``name``, as it is shown: with its schema where
    the search_path does not find it. The ``root`` of a partition is the name of the table that its
    rows are of, of another table its own.
    """
    if not oids:
        return {}
    relation, namespace = _relation(), _namespace()
    root, its = relation.alias("root"), namespace.alias("root_namespace")
    above = sa.func.coalesce(sa.func.pg_partition_root(relation.c.oid), relation.c.oid)
    attribute = sa.table(
        "pg_attribute",
        *map(sa.column, ("attrelid", "attname", "atttypid", "attnum", "attisdropped")),
        sa.column("attnotnull"),
    )
    rows = connection.execute(
        sa.select(
            relation.c.oid,
            namespace.c.nspname,
            relation.c.relname,
            relation.c.relkind,
            relation.c.relhassubclass,
            relation.c.relhasrules,
            shown_as(relation, namespace).label("shown"),
            shown_as(root, its).label("shown_root"),
            attribute.c.attname,
            attribute.c.attnum,
            attribute.c.attnotnull,
            sa.func.format_type(attribute.c.atttypid, sa.null()).label("type"),
        )
        .join(namespace, namespace.c.oid == relation.c.relnamespace)
        .join(root, root.c.oid == above)
        .join(its, its.c.oid == root.c.relnamespace)
        .join(attribute, attribute.c.attrelid == relation.c.oid)
        .where(
            relation.c.oid == sa.any_(sa.literal(sorted(oids), sa.ARRAY(sa.BigInteger))),
            attribute.c.attnum > 0,
            ~attribute.c.attisdropped,
        )
        .order_by(relation.c.oid, attribute.c.attnum)
    ).all()
    columns: dict[int, list[sa.Column[Any]]] = {}
    heads: dict[int, Any] = {}
    for row in rows:
        heads[row.oid] = row
        columns.setdefault(row.oid, []).append(
            sa.Column(
                row.attname,
                _column_type(row.type),
                info={"type": row.type, "number": row.attnum, "not_null": row.attnotnull},
            )
        )
    metadata = sa.MetaData()
    keys = read_row_keys(connection, heads)
    return {
        oid: sa.Table(
            head.relname,
            metadata,
            *columns[oid],
            schema=head.nspname,
            info={
                "oid": oid,
                "kind": head.relkind,
                "key": keys.get(oid, ()),
                "name": head.shown,
                "root": head.shown_root,
                "has_rules": head.relhasrules and head.relkind in TABLE_KINDS,
                # A plain table that others inherit from: its foreign keys are not theirs.
                "has_heirs": head.relkind == "r" and head.relhassubclass,
            },
        )
        for oid, head in heads.items()
    }


def names_of(table: sa.Table, numbers: Iterable[int]) -> tuple[str, ...]:
    """The names of a table's columns by their numbers in the catalog."""
    by_number = {column.info["number"]: column.name for column in table.c}
    return tuple(by_number[number] for number in numbers)


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
