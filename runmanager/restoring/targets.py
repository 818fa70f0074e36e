"""Where archived rows go now: the table as it is today, and which of its columns take what.

A host goes on living after a deletion: columns are renamed, dropped and added, tables made anew.
Like ``host/catalog.py`` this reads the catalog, which is why it sends SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.host.relations import find_places, read_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runmanager.archive.rows_format import ArchivedColumn, ArchivedTable


@dataclass(frozen=True, eq=False)
class Target:
    """The table that takes the rows of an archived one.

    ``fields`` are the places in an archived line of what is put back, ``columns`` the column for
    each, ``types`` how its type is written in a cast. ``changes`` are sentences on what is
    different from when the rows went. With ``takes_copy`` PostgreSQL's COPY may be used, with
    ``is_whole`` every field of a line has its column, in order.
    """

    archived: ArchivedTable
    table: sa.Table
    fields: tuple[int, ...]
    columns: tuple[sa.Column[Any], ...]
    types: tuple[str, ...]
    takes_copy: bool
    changes: tuple[str, ...] = ()

    @property
    def oid(self) -> int:
        """The table's number in the catalog."""
        return int(self.table.info["oid"])

    @property
    def name(self) -> str:
        """How the table is shown."""
        return self.archived.name

    @property
    def is_whole(self) -> bool:
        """Whether a line can be put back as it is."""
        return self.fields == tuple(range(len(self.archived.columns)))

    @property
    def key(self) -> sa.Column[Any] | None:
        """The column that holds the id of a row's run; None where its rows do not hold it."""
        return None if self.archived.run_column is None else self.columns[0]

    def field_of(self, number: int) -> int | None:
        """The place in an archived line of the column with this number in the catalog."""
        for field, column in zip(self.fields, self.columns, strict=True):
            if column.info["number"] == number:
                return field
        return None


@dataclass(frozen=True)
class _Facts:
    """What a column is beside its name and type: how it is made, how it is cast to."""

    generated: bool
    cast: str


def read_targets(
    connection: sa.Connection, tables: Sequence[ArchivedTable]
) -> tuple[list[Target], dict[str, str]]:
    """Where the rows of these tables go, in the same order; and why those of some cannot.

    The reasons are by the table's name.
    """
    places = {(table.schema, table.table) for table in tables}
    oids = find_places(connection, places)
    found = read_tables(connection, set(oids.values()))
    facts = _read_facts(connection, found)
    closed = _read_closed(connection, found)
    targets, reasons = [], {}
    for archived in tables:
        oid = oids.get((archived.schema, archived.table))
        if oid is None or oid not in found:
            reasons[archived.name] = (
                f"The table “{archived.name}”, which held rows of this run, is no longer there "
                f"as {archived.schema}.{archived.table}."
            )
            continue
        target = _target(archived, found[oid], facts[oid], takes_copy=oid not in closed)
        if archived.run_column is not None and 0 not in target.fields:
            reasons[archived.name] = (
                f"“{archived.name}” has no column “{archived.columns[0].name}” any more, which "
                "says whose its rows are."
            )
            continue
        targets.append(target)
    return targets, reasons


def _target(
    archived: ArchivedTable, table: sa.Table, facts: Mapping[int, _Facts], *, takes_copy: bool
) -> Target:
    fields, columns, types, changes = [], [], [], []
    now = _columns_now(archived, table)
    for field, (was, column) in enumerate(zip(archived.columns, now, strict=True)):
        if column is None:
            changes.append(
                f"“{archived.name}” has no column “{was.name}” any more: what it held is left out."
            )
            continue
        of = facts[column.info["number"]]
        if of.generated:
            changes.append(
                f"“{archived.name}.{column.name}” is computed by the database now: what it held "
                "is left out."
            )
            continue
        if column.name != was.name:
            changes.append(f"“{archived.name}.{was.name}” is called “{column.name}” now.")
        if column.info["type"] != was.type:
            changes.append(
                f"“{archived.name}.{column.name}” is of type {column.info['type']} now, and was "
                f"{was.type}: runs whose values would not stay the same are not restored."
            )
        fields.append(field)
        columns.append(column)
        types.append(of.cast)
    known = {column.info["number"] for column in now if column is not None}
    changes += [
        f"“{archived.name}.{column.name}” is new, or was computed then: it gets what the table "
        "gives by default."
        for column in table.c
        if archived.is_whole
        and column.info["number"] not in known
        and not facts[column.info["number"]].generated
    ]
    return Target(
        archived,
        table,
        tuple(fields),
        tuple(columns),
        tuple(types),
        takes_copy,
        tuple(changes),
    )


def _columns_now(archived: ArchivedTable, table: sa.Table) -> list[sa.Column[Any] | None]:
    """For each archived column the one that it is now; None where there is none.

    A column keeps its number when it is renamed. A table that was made anew, in another order, has
    other numbers for the same names: they count then.
    """
    by_number = {column.info["number"]: column for column in table.c}
    by_name = {column.name: column for column in table.c}
    names = {was.name for was in archived.columns}
    is_new = any(
        was.attnum in by_number
        and by_number[was.attnum].name != was.name
        and by_number[was.attnum].name in names
        for was in archived.columns
    )
    return [
        by_name.get(was.name) if is_new else _same(was, by_number, by_name)
        for was in archived.columns
    ]


def _same(
    was: ArchivedColumn,
    by_number: Mapping[int, sa.Column[Any]],
    by_name: Mapping[str, sa.Column[Any]],
) -> sa.Column[Any] | None:
    column = by_number.get(was.attnum)
    if column is not None and (column.name == was.name or column.info["type"] == was.type):
        return column
    # Dropped, and made again under its old name.
    again = by_name.get(was.name)
    return again if again is not None and again.info["type"] == was.type else None


def _read_facts(connection: sa.Connection, oids: Iterable[int]) -> dict[int, dict[int, _Facts]]:
    attribute = sa.table(
        "pg_attribute",
        *map(sa.column, ("attrelid", "attnum", "attgenerated", "atttypid", "attisdropped")),
    )
    rows = connection.execute(
        sa.select(
            attribute.c.attrelid,
            attribute.c.attnum,
            attribute.c.attgenerated,
            # Without a length that a cast would cut a value to: the column itself refuses it.
            sa.func.format_type(attribute.c.atttypid, -1).label("cast"),
        ).where(
            attribute.c.attrelid.in_(list(oids)),
            attribute.c.attnum > 0,
            ~attribute.c.attisdropped,
        )
    )
    found: dict[int, dict[int, _Facts]] = {}
    for row in rows:
        found.setdefault(row.attrelid, {})[row.attnum] = _Facts(
            row.attgenerated not in {"", b""}, row.cast
        )
    return found


def _read_closed(connection: sa.Connection, oids: Iterable[int]) -> set[int]:
    """Those of the tables into which PostgreSQL's COPY does not go.

    They are those with row security at work for us, and views without an INSTEAD OF INSERT trigger.
    https://www.postgresql.org/docs/current/sql-copy.html
    """
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relkind")))
    trigger = sa.table("pg_trigger", *map(sa.column, ("tgrelid", "tgtype")))
    # The bits of tgtype: 4 for INSERT, 64 for INSTEAD OF.
    instead = sa.exists(
        sa.select(sa.literal(1)).where(
            trigger.c.tgrelid == relation.c.oid,
            trigger.c.tgtype.op("&")(sa.literal(4 | 64)) == (4 | 64),
        )
    )
    rows = connection.scalars(
        sa.select(relation.c.oid).where(
            relation.c.oid.in_(list(oids)),
            sa.func.row_security_active(relation.c.oid)
            | (relation.c.relkind.not_in(["r", "p"]) & ~instead),
        )
    )
    return set(rows)
