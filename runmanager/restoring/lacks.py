"""What the database role lacks for putting rows back: said as the GRANT to make.

Like ``host/privileges.py`` it reads PostgreSQL's catalog, which is why it sends SQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.archive.rows_format import ArchivedColumn, ArchivedTable
from runmanager.host.values import Lack, Rule
from runmanager.restoring.targets import read_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runmanager.host.values import Host, TraceTable
    from runmanager.restoring.targets import Target

# A bit of pg_relation_is_updatable: 1 << CMD_INSERT.
_INSERTABLE = 8


def undo_lacks(connection: sa.Connection, host: Host) -> tuple[str, ...]:
    """What Undo would need and the role, or a view, lacks; () where any deletion can be undone."""
    tables = [_as_archived(trace) for trace in (host.own, *host.traces)]
    targets, _unplaced = read_targets(connection, host, tables)
    found = (*lacking(connection, targets), *_lacking_for_references(connection, host))
    return tuple(lack.sentence for lack in found)


def lacking(connection: sa.Connection, targets: Sequence[Target]) -> Iterator[Lack]:
    """Why no row can be put back into some of these tables."""
    closed = [target for target in targets if not target.may_insert]
    if closed:
        hidden = [target for target in closed if not _may_read(connection, target.table)]
        shown = [target for target in closed if target not in hidden]
        yield _grant(
            connection,
            "The database role may not put rows back into "
            + ", ".join(f"“{target.name}”" for target in closed),
            *(
                f"{right} ON {', '.join(sorted(_quoted(connection, one.table) for one in some))}"
                for right, some in (("INSERT", shown), ("SELECT, INSERT", hidden))
                if some
            ),
        )
    for name in _not_insertable(connection, targets):
        yield Lack(
            f"Rows of the view “{name}” cannot be put back through it: give it an INSTEAD OF "
            "INSERT trigger, or grant the role INSERT on the table behind it"
        )
    guarded = [target for target in targets if target.is_guarded and target.may_insert]
    for target in _without_policy(connection, guarded):
        table, role = _quoted(connection, target.table), _role(connection)
        yield Lack(
            f"Row security on “{target.name}” lets the database role put no row back",
            "its owner",
            (f"CREATE POLICY run_manager_undo ON {table} FOR INSERT TO {role} WITH CHECK (true);",),
        )


def _lacking_for_references(connection: sa.Connection, host: Host) -> Iterator[Lack]:
    """What keeps references that a deletion clears from being put back."""
    for link in host.links:
        if link.rule is not Rule.CLEARS:
            continue
        oid = link.child.info["oid"]
        may = [sa.func.has_column_privilege(oid, name, "UPDATE") for name in link.columns]
        if connection.scalar(sa.select(sa.and_(*may))):
            continue
        columns = ", ".join(_name(connection, name) for name in link.columns)
        yield _grant(
            connection,
            f"References that a deletion clears in “{host.name_of(link.child)}” could not be put "
            "back",
            f"UPDATE ({columns}) ON {_quoted(connection, link.child)}",
        )


def _as_archived(trace: TraceTable) -> ArchivedTable:
    """The table as a file of its rows would name it, of types that do not matter here."""
    columns = [
        ArchivedColumn(column.name, column.info["type"], column.info["number"])
        for column in trace.stored.c
    ]
    key = trace.stored_key
    if key is not None:
        columns.sort(key=lambda column: column.name != key.name)
    return ArchivedTable(
        trace.name, str(trace.stored.schema), trace.stored.name, tuple(columns), None
    )


def _not_insertable(connection: sa.Connection, targets: Iterable[Target]) -> Iterator[str]:
    views = {target.table.info["oid"]: target.name for target in targets}
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relkind")))
    updatable = sa.func.pg_relation_is_updatable(relation.c.oid, True)
    rows = connection.scalars(
        sa.select(relation.c.oid)
        .where(
            relation.c.oid.in_(list(views)),
            relation.c.relkind == "v",
            updatable.op("&")(sa.literal(_INSERTABLE)) == 0,
        )
        .order_by(relation.c.oid)
    )
    for oid in rows:
        yield views[oid]


def _without_policy(connection: sa.Connection, targets: Sequence[Target]) -> list[Target]:
    """Those of these tables, whose rows are guarded, for which no policy lets a row in."""
    policy = sa.table(
        "pg_policy", *map(sa.column, ("polrelid", "polcmd", "polpermissive", "polroles"))
    )
    one = sa.func.unnest(policy.c.polroles).table_valued("role", name="one").render_derived()
    concerns = sa.exists(
        sa.select(sa.literal(1))
        .select_from(one)
        .where((one.c.role == 0) | sa.func.pg_has_role(one.c.role, "USAGE"))
    )
    open_tables = set(
        connection.scalars(
            sa.select(policy.c.polrelid).where(
                policy.c.polrelid.in_([target.table.info["oid"] for target in targets]),
                policy.c.polcmd.in_(["*", "a"]),
                policy.c.polpermissive,
                concerns,
            )
        )
    )
    return [target for target in targets if target.table.info["oid"] not in open_tables]


def _may_read(connection: sa.Connection, table: sa.Table) -> bool:
    may = [sa.func.has_column_privilege(table.info["oid"], one.name, "SELECT") for one in table.c]
    return bool(connection.scalar(sa.select(sa.and_(sa.true(), *may))))


def _grant(connection: sa.Connection, fact: str, *rights: str) -> Lack:
    role = _role(connection)
    return Lack(
        fact, "the owner of the tables", tuple(f"GRANT {right} TO {role};" for right in rights)
    )


def _role(connection: sa.Connection) -> str:
    user = sa.cast(sa.func.current_user(), sa.Text)
    return str(connection.scalar(sa.select(sa.func.quote_ident(user))))


def _quoted(connection: sa.Connection, table: sa.Table) -> str:
    return ".".join(_name(connection, one) for one in (str(table.schema), table.name))


def _name(connection: sa.Connection, name: str) -> str:
    return str(connection.scalar(sa.select(sa.func.quote_ident(sa.cast(name, sa.Text)))))
