"""What archived rows refer to and is gone since, such as a run's user: cleared, or in the way.

The host's foreign keys decide. Where a key would have cleared the reference when that row went, it
is cleared now; where it would have held the row in place, or taken the run along, the run is not
put back. Between the runs that are put back only keys that clear are looked at: what else is
missing there is refused by the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.archive.copy_lines import NULL, fields_of, read_field, write_field
from runmanager.host.ids import TypeByName
from runmanager.host.relations import names_of, read_tables
from runmanager.restoring.reasons import parent_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from runmanager.archive.reading import RowsReader
    from runmanager.host.relations import ForeignKey
    from runmanager.restoring.targets import Target

    Reading = Callable[[], AbstractContextManager[RowsReader]]

Value = tuple[bytes, ...]
_CLEARING = ("n", "d")


@dataclass(frozen=True, eq=False)
class Reference:
    """A foreign key by which rows that are put back refer to a row of ``parent``.

    ``fields`` are the places of its values in an archived line of ``child``. ``within`` is the
    target that brings rows of the parent back too, with the places of what is referred to there.
    ``clears`` are the fields that the key sets when that row goes, with what to, () where it
    clears nothing.
    """

    name: str
    child: Target
    fields: tuple[int, ...]
    parent: sa.Table
    to_columns: tuple[str, ...]
    within: tuple[Target, tuple[int, ...]] | None
    clears: tuple[tuple[int, bytes], ...]

    @property
    def sides(self) -> tuple[str, str, str]:
        """The table that refers, by which of its columns that are cleared, and to which table."""
        names = (self.child.archived.columns[field].name for field, _value in self.clears)
        return self.child.name, ", ".join(names), str(self.parent.info["name"])

    def value_in(self, fields: Sequence[bytes]) -> Value | None:
        """What a line refers to; None for nothing."""
        value = tuple(fields[one] for one in self.fields)
        return None if NULL in value else value


@dataclass
class Gone:
    """What is gone, by the reference to it, and the runs that cannot come back for it, with why."""

    values: dict[Reference, set[Value]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def of(self, target: Target) -> list[tuple[Reference, set[Value]]]:
        """What is to be cleared in the lines of a table."""
        return [
            (reference, values)
            for reference, values in self.values.items()
            if reference.child is target and reference.clears and values
        ]


def read_references(
    connection: sa.Connection, every_key: Sequence[ForeignKey], targets: Sequence[Target]
) -> tuple[Reference, ...]:
    """The foreign keys to look at before rows are put back, as far as the role may look."""
    by_oid = {target.oid: target for target in targets}
    keys = [
        key
        for key in every_key
        if key.table in by_oid and (key.to_table not in by_oid or key.on_delete in _CLEARING)
    ]
    readable = _read_readable(connection, {key.to_table for key in keys})
    parents = read_tables(connection, {oid for oid, _number in readable})
    found = []
    for key in keys:
        if not readable.issuperset((key.to_table, number) for number in key.to_columns):
            continue
        reference = _reference(connection, key, by_oid, parents)
        if reference is not None:
            found.append(reference)
    return tuple(found)


def find_gone(
    connection: sa.Connection,
    references: Sequence[Reference],
    reading: Reading,
    thread_ids: Collection[str],
    open_ids: Collection[str],
) -> Gone:
    """What the lines of ``thread_ids`` refer to that is neither there nor put back now.

    ``open_ids`` are the runs that are put back, or still may be, in the same transaction.
    """
    gone = Gone()
    if not references:
        return gone
    wanted = _read_values(references, reading, thread_ids)
    for reference in references:
        missing = _missing(connection, reference, wanted[reference])
        if missing and reference.within is not None:
            missing -= _brought_back(reference, reading, open_ids, missing)
        gone.values[reference] = missing
        if not reference.clears:
            for value in missing:
                reason = parent_gone(reference)
                gone.refused |= dict.fromkeys(wanted[reference][value], reason)
    return gone


def _read_values(
    references: Sequence[Reference], reading: Reading, thread_ids: Collection[str]
) -> dict[Reference, dict[Value, set[str]]]:
    """What the lines refer to, each value once, and by the lines of which runs."""
    found: dict[Reference, dict[Value, set[str]]] = {one: {} for one in references}
    by_table = _by_table((one.child, one) for one in references)
    with reading() as rows:
        for table, lines in rows.tables(thread_ids):
            of_table = by_table.pop(table.name, ())
            for run, line in lines if of_table else ():
                fields = fields_of(line)
                for reference in of_table:
                    value = reference.value_in(fields)
                    if value is not None:
                        found[reference].setdefault(value, set()).add(run)
            if not by_table:
                break
    return found


def _brought_back(
    reference: Reference, reading: Reading, open_ids: Collection[str], missing: set[Value]
) -> set[Value]:
    """Those of the values that a line of the ``open_ids`` has where they are referred to."""
    assert reference.within is not None  # noqa: S101  asked by the caller
    parent, places = reference.within
    found: set[Value] = set()
    with reading() as rows:
        for table, lines in rows.tables(open_ids):
            if table.name == parent.name:
                for _run, line in lines:
                    fields = fields_of(line)
                    value = tuple(fields[one] for one in places)
                    if value in missing:
                        found.add(value)
                break
    return found


def _by_table(pairs: Iterable[tuple[Target, Reference]]) -> dict[str, list[Reference]]:
    found: dict[str, list[Reference]] = {}
    for target, reference in pairs:
        found.setdefault(target.name, []).append(reference)
    return found


def _missing(
    connection: sa.Connection, reference: Reference, values: Collection[Value]
) -> set[Value]:
    """Those of the values to which no row of the parent belongs."""
    if not values:
        return set()
    ordered = list(values)
    columns = [
        sa.literal([read_field(value[at]) for value in ordered], sa.ARRAY(sa.Text))
        for at in range(len(reference.fields))
    ]
    numbers = sa.literal(list(range(len(ordered))), sa.ARRAY(sa.BigInteger))
    names = [f"k{at}" for at in range(len(columns))]
    asked = sa.func.unnest(*columns, numbers).table_valued(*names, "n", name="asked")
    asked = asked.render_derived()
    types = [TypeByName(_type_of(reference, field)) for field in reference.fields]
    is_parent = sa.and_(
        *(
            reference.parent.c[to] == sa.cast(asked.c[name], kind)
            for to, name, kind in zip(reference.to_columns, names, types, strict=True)
        )
    )
    there = sa.exists(sa.select(sa.literal(1)).select_from(reference.parent).where(is_parent))
    return {ordered[n] for n in connection.scalars(sa.select(asked.c.n).where(~there))}


def _type_of(reference: Reference, field: int) -> str:
    child = reference.child
    return child.types[child.fields.index(field)]


def _reference(
    connection: sa.Connection,
    key: ForeignKey,
    by_oid: Mapping[int, Target],
    parents: Mapping[int, sa.Table],
) -> Reference | None:
    """The key as it is to be looked at; None where it cannot be, or has nothing to say."""
    child, parent = by_oid[key.table], parents.get(key.to_table)
    fields = [child.field_of(number) for number in key.columns]
    if parent is None or None in fields:
        return None
    within = None
    if key.to_table in by_oid:
        of = by_oid[key.to_table]
        places = [of.field_of(number) for number in key.to_columns]
        if None in places:
            return None
        within = (of, tuple(one for one in places if one is not None))
    return Reference(
        name=key.name,
        child=child,
        fields=tuple(one for one in fields if one is not None),
        parent=parent,
        to_columns=names_of(parent, key.to_columns),
        within=within,
        clears=_clears(connection, key, child),
    )


def _clears(
    connection: sa.Connection, key: ForeignKey, child: Target
) -> tuple[tuple[int, bytes], ...]:
    if key.on_delete not in _CLEARING:
        return ()
    by_number = {column.info["number"]: column for column in child.stored.c}
    values = _read_defaults(connection, key) if key.on_delete == "d" else {}
    found = []
    for number in key.cleared:
        field, value = child.field_of(number), values.get(number)
        if field is None or (value is None and by_number[number].info["not_null"]):
            return ()
        found.append((field, write_field(value)))
    return tuple(found)


def _read_defaults(connection: sa.Connection, key: ForeignKey) -> dict[int, str | None]:
    """What the columns that SET DEFAULT sets are set to, by their numbers."""
    default = sa.table("pg_attrdef", *map(sa.column, ("adrelid", "adnum", "adbin")))
    rows = connection.execute(
        sa.select(
            default.c.adnum, sa.func.pg_get_expr(default.c.adbin, default.c.adrelid).label("said")
        ).where(default.c.adrelid == key.table, default.c.adnum.in_(key.cleared))
    ).all()
    # The host's own expression, as PostgreSQL itself prints it: Core cannot say it.
    return {
        row.adnum: connection.scalar(
            sa.select(sa.cast(sa.literal_column(f"({row.said})"), sa.Text))
        )
        for row in rows
    }


def _read_readable(connection: sa.Connection, oids: Collection[int]) -> set[tuple[int, int]]:
    """The columns, by table and number, that the role may read, and of which it sees every row."""
    attribute = sa.table("pg_attribute", *map(sa.column, ("attrelid", "attnum", "attisdropped")))
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relnamespace")))
    rows = connection.execute(
        sa.select(attribute.c.attrelid, attribute.c.attnum)
        .join(relation, relation.c.oid == attribute.c.attrelid)
        .where(
            relation.c.oid.in_(list(oids)),
            attribute.c.attnum > 0,
            ~attribute.c.attisdropped,
            ~sa.func.row_security_active(relation.c.oid),
            sa.func.has_schema_privilege(relation.c.relnamespace, "USAGE"),
            sa.func.has_column_privilege(relation.c.oid, attribute.c.attnum, "SELECT"),
        )
    )
    return {(row.attrelid, row.attnum) for row in rows}
