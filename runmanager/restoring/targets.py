"""Where archived rows go now: the table as it is today, and which of its columns take what.

A host goes on living after a deletion: columns are renamed, dropped and added, tables made anew.
Like ``host/catalog.py`` this reads the catalog, which is why it sends SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.host.relations import find_places, read_tables
from runmanager.host.values import stored_column
from runmanager.restoring import reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runmanager.archive.rows_format import ArchivedColumn, ArchivedTable
    from runmanager.host.values import Host, TraceTable


@dataclass(frozen=True, eq=False)
class Target:
    """The table that takes the rows of an archived one.

    ``stored`` is the real table, ``table`` that one or, where the role may not put rows into it,
    the host's view of it. ``fields`` are the places in an archived line of what is put back,
    ``columns`` the column of ``table`` for each, ``numbers`` those of the real ones in the catalog,
    ``types`` how their types are written in a cast. ``trace`` is what the host's table is to a run,
    None where it is nothing any more. ``changes`` are sentences on what is different from when the
    rows went. ``may_insert`` says whether the role may put rows into ``table``, and read them
    again. With ``takes_copy`` PostgreSQL's COPY may be used; with ``is_guarded`` row security is at
    work, and may refuse one row and take another.
    """

    archived: ArchivedTable
    stored: sa.Table
    table: sa.Table
    fields: tuple[int, ...]
    columns: tuple[sa.Column[Any], ...]
    numbers: tuple[int, ...]
    types: tuple[str, ...]
    trace: TraceTable | None
    may_insert: bool
    takes_copy: bool
    is_guarded: bool
    changes: tuple[str, ...] = ()

    @property
    def oid(self) -> int:
        """The real table's number in the catalog."""
        return int(self.stored.info["oid"])

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
        """The column of ``table`` that holds the id of a row's run; None where none does."""
        if self.archived.run_column is not None:
            return self.columns[0]
        if self.trace is None:
            return None
        is_shown = self.table.info["oid"] == self.trace.table.info["oid"]
        key = self.trace.key if is_shown else self.trace.stored_key
        return None if key is None else self.table.c.get(key.name)

    @property
    def has_links(self) -> bool:
        """Whether its rows are found by what they refer to."""
        return self.trace is not None and bool(self.trace.links)

    def field_of(self, number: int) -> int | None:
        """The place in an archived line of the real column with this number."""
        return self.fields[self.numbers.index(number)] if number in self.numbers else None


@dataclass(frozen=True)
class _Facts:
    """What a column is beside its name: its type in full, how it is cast to, how it is made."""

    type: str
    cast: str
    is_computed: bool
    may_insert: bool


def read_targets(
    connection: sa.Connection, host: Host, tables: Sequence[ArchivedTable]
) -> tuple[list[Target], dict[str, str]]:
    """Where the rows of these tables go, in the same order; and why those of some cannot.

    The reasons are by the table's name.
    """
    oids = find_places(connection, {(table.schema, table.table) for table in tables})
    found = read_tables(connection, set(oids.values()))
    views = {
        oid: host.nodes[oid].table.info["oid"]
        for oid in found
        if oid in host.nodes and host.nodes[oid].table is not host.nodes[oid].stored
    }
    facts = _read_facts(connection, {*found, *views.values()})
    closed = _read_closed(connection, {*found, *views.values()})
    targets, unplaced = [], {}
    for archived in tables:
        oid = oids.get((archived.schema, archived.table))
        if oid is None or oid not in found:
            unplaced[archived.name] = reasons.table_gone(archived)
            continue
        view = facts.get(views.get(oid, 0), {})
        target = _target(archived, found[oid], host.nodes.get(oid), facts[oid], view, closed)
        if archived.run_column is not None and 0 not in target.fields:
            unplaced[archived.name] = reasons.id_gone(archived)
        elif target.key is None and not target.has_links:
            unplaced[archived.name] = reasons.unrelated(archived)
        else:
            targets.append(target)
    return targets, unplaced


def _target(
    archived: ArchivedTable,
    stored: sa.Table,
    trace: TraceTable | None,
    facts: Mapping[int, _Facts],
    view: Mapping[int, _Facts],
    closed: Mapping[int, bool],
) -> Target:
    now = _columns_now(archived, stored, facts)
    changes = list(_changes(archived, stored, now, facts))
    taken = [
        (field, column)
        for field, column in enumerate(now)
        if column is not None and not facts[column.info["number"]].is_computed
    ]
    table, columns = stored, [column for _field, column in taken]
    may = all(facts[column.info["number"]].may_insert for column in columns)
    if not may and trace is not None and any(one.may_insert for one in view.values()):
        # Its owner lets the role work through the view only.
        shown = {stored_column(one).info["number"]: one for one in trace.table.c}
        seen = [(field, one) for field, one in taken if one.info["number"] in shown]
        hidden = [one.name for _field, one in taken if one.info["number"] not in shown]
        table, taken = trace.table, seen
        columns = [shown[one.info["number"]] for _field, one in seen]
        may = all(view[column.info["number"]].may_insert for column in columns)
        changes += [
            f"The view “{trace.name}” does not show “{name}”: what it held is left out."
            for name in hidden
        ]
    numbers = tuple(int(column.info["number"]) for _field, column in taken)
    return Target(
        archived=archived,
        stored=stored,
        table=table,
        fields=tuple(field for field, _column in taken),
        columns=tuple(columns),
        numbers=numbers,
        types=tuple(facts[number].cast for number in numbers),
        trace=trace,
        may_insert=may,
        takes_copy=table.info["oid"] not in closed,
        is_guarded=closed.get(table.info["oid"], False),
        changes=tuple(changes),
    )


def _changes(
    archived: ArchivedTable,
    table: sa.Table,
    now: Sequence[sa.Column[Any] | None],
    facts: Mapping[int, _Facts],
) -> Iterable[str]:
    for was, column in zip(archived.columns, now, strict=True):
        if column is None:
            yield f"“{archived.name}.{was.name}” is no longer there: what it held is left out."
            continue
        of = facts[column.info["number"]]
        if of.is_computed:
            yield (
                f"“{archived.name}.{column.name}” is computed by the database now: what it held "
                "is left out."
            )
            continue
        if column.name != was.name:
            yield f"“{archived.name}.{was.name}” is called “{column.name}” now."
        if of.type != was.type:
            yield (
                f"“{archived.name}.{column.name}” is of type {of.type} now, and was {was.type}: "
                "a run whose values would not stay the same is not restored."
            )
    known = {column.info["number"] for column in now if column is not None}
    for column in table.c if archived.is_whole else ():
        number = column.info["number"]
        if number not in known and not facts[number].is_computed:
            yield (
                f"“{archived.name}.{column.name}” is new, or was computed then: it gets what the "
                "table gives by default."
            )


def _columns_now(
    archived: ArchivedTable, table: sa.Table, facts: Mapping[int, _Facts]
) -> list[sa.Column[Any] | None]:
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

    def now(was: ArchivedColumn) -> sa.Column[Any] | None:
        column = by_number.get(was.attnum)
        is_same = column is not None and (
            column.name == was.name or facts[was.attnum].type == was.type
        )
        if is_same and not is_new:
            return column
        again = by_name.get(was.name)
        # Dropped, and made again under its old name.
        is_alike = again is not None and facts[again.info["number"]].type == was.type
        return again if is_new or is_alike else None

    return [now(was) for was in archived.columns]


def _read_facts(connection: sa.Connection, oids: Iterable[int]) -> dict[int, dict[int, _Facts]]:
    attribute = sa.table(
        "pg_attribute",
        *map(sa.column, ("attrelid", "attnum", "atttypid", "atttypmod", "attgenerated")),
        sa.column("attisdropped"),
    )
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relnamespace")))
    may_insert = sa.and_(
        sa.func.has_schema_privilege(relation.c.relnamespace, "USAGE"),
        sa.func.has_column_privilege(relation.c.oid, attribute.c.attnum, "INSERT"),
        # What came back is read again.
        sa.func.has_column_privilege(relation.c.oid, attribute.c.attnum, "SELECT"),
    )
    rows = connection.execute(
        sa.select(
            attribute.c.attrelid,
            attribute.c.attnum,
            sa.func.format_type(attribute.c.atttypid, attribute.c.atttypmod).label("type"),
            # Without a length that a cast would cut a value to: the column itself refuses it.
            sa.func.format_type(attribute.c.atttypid, -1).label("cast"),
            (attribute.c.attgenerated != "").label("is_computed"),
            may_insert.label("may_insert"),
        )
        .join(relation, relation.c.oid == attribute.c.attrelid)
        .where(relation.c.oid.in_(list(oids)), attribute.c.attnum > 0, ~attribute.c.attisdropped)
    )
    found: dict[int, dict[int, _Facts]] = {}
    for row in rows:
        found.setdefault(row.attrelid, {})[row.attnum] = _Facts(
            row.type, row.cast, row.is_computed, row.may_insert
        )
    return found


def _read_closed(connection: sa.Connection, oids: Iterable[int]) -> dict[int, bool]:
    """Those of the tables into which PostgreSQL's COPY does not go; true for row security.

    It goes into no table with row security at work for us, and no view without an INSTEAD OF INSERT
    trigger: https://www.postgresql.org/docs/current/sql-copy.html
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
    is_guarded = sa.func.row_security_active(relation.c.oid, type_=sa.Boolean)
    rows = connection.execute(
        sa.select(relation.c.oid, is_guarded.label("is_guarded")).where(
            relation.c.oid.in_(list(oids)),
            is_guarded | (relation.c.relkind.not_in(["r", "p"]) & ~instead),
        )
    )
    return {row.oid: row.is_guarded for row in rows}
