"""The host's triggers that fire when rows are put back.

Like ``host/catalog.py`` this reads the catalog, which is why it sends SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Mapping

# The bits of pg_trigger.tgtype.
_ROW, _BEFORE, _INSERT, _UPDATE, _INSTEAD = 1, 2, 4, 16, 64


@dataclass(frozen=True)
class Fired:
    """A trigger that fires for the rows of ``table``, as it is shown.

    With ``is_update`` it fires as a reference is put back, else as a row is.
    """

    table: str
    name: str
    function: str
    kind: int
    is_update: bool

    @property
    def changes_rows(self) -> bool:
        """Whether it may change or drop a row before it is there."""
        return bool(self.kind & _ROW and self.kind & (_BEFORE | _INSTEAD))

    @property
    def sentence(self) -> str:
        """What fires, when, and for what."""
        when = (
            "before" if self.kind & _BEFORE else "instead of" if self.kind & _INSTEAD else "after"
        )
        each = "a row" if self.kind & _ROW else "rows"
        what = "a reference put back in" if self.is_update else "put back into"
        may = ", and may change it" if self.changes_rows else ""
        return (
            f"The trigger “{self.name}” (function {self.function}) fires {when} {each} "
            f"{'has' if self.is_update else 'is' if self.kind & _ROW else 'are'} {what} "
            f"“{self.table}”{may}."
        )


def read_fired(connection: sa.Connection, inserted: Mapping[int, str]) -> tuple[Fired, ...]:
    """What fires when rows come into these tables: their names, as they are shown, by oid."""
    return _read(connection, inserted, is_update=False)


def read_fired_by_update(
    connection: sa.Connection, updated: Mapping[int, str]
) -> tuple[Fired, ...]:
    """What fires when references in these tables are put back."""
    return _read(connection, updated, is_update=True)


def _read(
    connection: sa.Connection, tables: Mapping[int, str], *, is_update: bool
) -> tuple[Fired, ...]:
    event = _UPDATE if is_update else _INSERT
    trigger = sa.table(
        "pg_trigger",
        *map(sa.column, ("oid", "tgrelid", "tgname", "tgfoid", "tgtype", "tgenabled")),
        *map(sa.column, ("tgisinternal", "tgparentid")),
    )
    asked = (
        sa.func.unnest(sa.literal(sorted(tables), sa.ARRAY(sa.BigInteger)))
        .table_valued("oid", name="asked")
        .render_derived()
    )
    # A partition's own triggers fire too; those that it has from its parent are the parent's.
    tree = sa.func.pg_partition_tree(asked.c.oid).table_valued("relid").lateral("tree")
    rows = connection.execute(
        sa.select(
            asked.c.oid,
            trigger.c.tgname,
            sa.cast(sa.cast(trigger.c.tgfoid, _RegProc()), sa.Text).label("function"),
            trigger.c.tgtype,
        )
        .select_from(asked)
        .outerjoin(tree, sa.true())
        .join(
            trigger,
            (trigger.c.tgrelid == asked.c.oid)
            | (trigger.c.tgrelid == sa.cast(tree.c.relid, sa.BigInteger)),
        )
        .where(
            ~trigger.c.tgisinternal,
            trigger.c.tgparentid == 0,
            trigger.c.tgenabled.in_(["O", "A"]),
            trigger.c.tgtype.op("&")(sa.literal(event)) != 0,
        )
        .distinct()
        .order_by(asked.c.oid, trigger.c.tgname)
    )
    return tuple(
        Fired(tables[row.oid], row.tgname, row.function, row.tgtype, is_update) for row in rows
    )


class _RegProc(sa.types.UserDefinedType[str]):
    """The name of a function by its oid."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        """The type's name."""
        return "regproc"
