"""Sequences that a restored number has passed: the next row of the host's would take it again.

Like ``host/catalog.py`` this reads the catalog, which is why it sends SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.restoring.proof import furthest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runmanager.host.values import Host
    from runmanager.restoring.targets import Target


@dataclass(frozen=True)
class _Sequence:
    """A sequence that numbers the rows of a table, in a column by its number."""

    oid: int
    name: str
    table: int
    column: int
    step: int
    start: int
    last: int | None
    may_look: bool
    may_set: bool

    def is_passed_by(self, value: int) -> bool:
        """Whether it has still to give ``value``."""
        if self.last is None:
            return (value - self.start) * self.step >= 0
        return (value - self.last) * self.step > 0


def read_numbered(
    connection: sa.Connection, targets: Iterable[Target]
) -> dict[int, list[tuple[sa.Column[Any], _Sequence]]]:
    """The columns that a sequence numbers and that are put back, by the oid of their table."""
    by_oid = {target.oid: target for target in targets}
    found: dict[int, list[tuple[sa.Column[Any], _Sequence]]] = {}
    for sequence in _read(connection, by_oid):
        target = by_oid[sequence.table]
        for number, column in zip(target.numbers, target.columns, strict=True):
            if number == sequence.column:
                found.setdefault(sequence.table, []).append((column, sequence))
    return found


def advance(
    connection: sa.Connection,
    targets: Sequence[Target],
    host: Host,
    thread_ids: Sequence[str],
) -> tuple[str, ...]:
    """Set what the rows of these runs have passed; sentences on what could not be.

    A sequence only ever moves on here: who
    takes a number of it meanwhile gets one that is free, or one that the database refuses.
    """
    numbered = read_numbered(connection, targets)
    told = []
    for target in targets:
        for column, sequence in numbered.get(target.oid, ()):
            is_down = sequence.step < 0
            value = connection.scalar(furthest(host, target, thread_ids, column, is_down=is_down))
            if value is None:
                continue
            if not sequence.may_look:
                if not _is_beyond(connection, target, column, sequence, int(value)):
                    told.append(_unknown(sequence, int(value)))
            elif sequence.is_passed_by(int(value)):
                if not sequence.may_set:
                    told.append(_behind(sequence, int(value)))
                    continue
                connection.execute(sa.select(sa.func.setval(sequence.oid, int(value))))
    return tuple(told)


def _is_beyond(
    connection: sa.Connection,
    target: Target,
    column: sa.Column[Any],
    sequence: _Sequence,
    value: int,
) -> bool:
    """Whether another row has a number from beyond, so that the sequence has passed this one."""
    beyond = column > value if sequence.step > 0 else column < value
    found = connection.scalar(
        sa.select(sa.literal(1)).select_from(target.table).where(beyond).limit(1)
    )
    return found is not None


def _behind(sequence: _Sequence, value: int) -> str:
    return (
        f"The sequence {sequence.name} has still to give {value}, which a restored row has; let "
        f"its owner run: SELECT setval('{sequence.name}', {value});"
    )


def _unknown(sequence: _Sequence, value: int) -> str:
    return (
        f"Whether the sequence {sequence.name} has passed {value}, which a restored row has, "
        "could not be looked at: GRANT SELECT, UPDATE on it."
    )


def _read(connection: sa.Connection, tables: Mapping[int, Target]) -> list[_Sequence]:
    depends = sa.table(
        "pg_depend",
        *map(sa.column, ("classid", "objid", "refclassid", "refobjid", "refobjsubid", "deptype")),
    )
    default = sa.table("pg_attrdef", *map(sa.column, ("oid", "adrelid", "adnum")))
    sequence = sa.table("pg_sequence", *map(sa.column, ("seqrelid", "seqincrement", "seqstart")))
    # Owned by the column (serial, identity), or named by its default.
    owned = sa.select(
        depends.c.objid.label("sequence"),
        depends.c.refobjid.label("table"),
        depends.c.refobjsubid.label("column"),
    ).where(depends.c.deptype.in_(["a", "i"]), depends.c.refobjid.in_(list(tables)))
    named = (
        sa.select(depends.c.refobjid, default.c.adrelid, default.c.adnum)
        .join(default, default.c.oid == depends.c.objid)
        .where(default.c.adrelid.in_(list(tables)))
    )
    both = sa.union(owned, named).subquery("both")
    may_look = sa.func.has_sequence_privilege(sequence.c.seqrelid, "SELECT, USAGE")
    last = sa.case((may_look, sa.func.pg_sequence_last_value(sequence.c.seqrelid)))
    rows = connection.execute(
        sa.select(
            sequence.c.seqrelid.label("oid"),
            sa.cast(sa.cast(sequence.c.seqrelid, _RegClass()), sa.Text).label("name"),
            both.c.table,
            both.c.column,
            sequence.c.seqincrement.label("step"),
            sequence.c.seqstart.label("start"),
            last.label("last"),
            may_look.label("may_look"),
            sa.func.has_sequence_privilege(sequence.c.seqrelid, "UPDATE").label("may_set"),
        )
        .join(both, both.c.sequence == sequence.c.seqrelid)
        .where(both.c.column > 0)
    )
    return [_Sequence(**row._mapping) for row in rows]


class _RegClass(sa.types.UserDefinedType[str]):
    """The name of a table or sequence by its oid, quoted as SQL needs it."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        """The type's name."""
        return "regclass"
