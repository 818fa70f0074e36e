"""Where row security may hide rows from us: what was not seen would not be counted or deleted.

Like ``catalog.py`` it reads the catalog, which is why it sends SQL. The rules are those of
https://www.postgresql.org/docs/current/ddl-rowsecurity.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.host.values import SUPERUSER, Lack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Deed(Enum):
    """What is done to the rows of a table, by the catalog's letter for it."""

    READ = "r"
    LOCK = "w"
    DELETE = "d"


@dataclass(frozen=True)
class _Seen:
    """One table as one role sees it. Names are quoted as SQL needs them."""

    table: str
    shown: str
    role: str
    policies: tuple[tuple[str, bool, bool], ...]

    def shows_all_for(self, deed: Deed) -> bool:
        """Whether a permissive policy permits every row, and no restrictive one takes any away."""
        of_deed = [one for one in self.policies if one[0] in {"*", deed.value}]
        permits = any(is_true for _deed, is_permissive, is_true in of_deed if is_permissive)
        return permits and not self.is_restricted(deed)

    def is_restricted(self, deed: Deed) -> bool:
        """Whether a restrictive policy may take rows away."""
        return any(
            not is_true
            for of, is_permissive, is_true in self.policies
            if of in {"*", deed.value} and not is_permissive
        )


def read_hidden(
    connection: sa.Connection,
    tables: Mapping[int, frozenset[Deed]],
    views: Mapping[int, frozenset[Deed]],
) -> tuple[Lack, ...]:
    """What is lacking, with what to do, for each table whose rows may be hidden.

    ``tables`` are real ones by their oids, with what is done to their rows, ``views`` those through
    which others are reached: behind a view it is the view's owner who must see every row.
    """
    wanted: dict[tuple[int, int | None], frozenset[Deed]] = {
        (oid, None): deeds for oid, deeds in tables.items()
    }
    for view, table, role in _tables_behind(connection, views):
        wanted[table, role] = wanted.get((table, role), frozenset()) | views[view]
    found = (
        _lack(seen, wanted[key], is_owner=key[1] is not None)
        for key, seen in _read_seen(connection, wanted).items()
        if not all(map(seen.shows_all_for, wanted[key]))
    )
    return tuple(dict.fromkeys(found))


def _tables_behind(
    connection: sa.Connection, views: Iterable[int]
) -> list[tuple[int, int, int | None]]:
    """View, table behind it, and the role that reads it there; None for whoever asks."""
    rewrite = sa.table("pg_rewrite", sa.column("oid"), sa.column("ev_class"))
    depends = sa.table("pg_depend", *map(sa.column, ("classid", "objid", "refclassid", "refobjid")))
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relkind", "relowner", "reloptions")))
    # It is kept as it was written: true, T, on, 1.
    option = sa.func.substring(sa.cast(relation.c.reloptions, sa.Text), "security_invoker=(\\w+)")
    invoker = sa.func.coalesce(sa.cast(option, sa.Boolean), False)
    reaching = (
        sa.select(
            relation.c.oid.label("view"),
            relation.c.oid.label("at"),
            sa.case((invoker, sa.null()), else_=relation.c.relowner).label("role"),
        )
        .where(relation.c.oid.in_(list(views)), relation.c.relkind == "v")
        .cte("reaching", recursive=True)
    )
    further = (
        sa.select(
            reaching.c.view,
            relation.c.oid,
            sa.case(
                (relation.c.relkind != "v", reaching.c.role),
                (invoker, sa.null()),
                else_=relation.c.relowner,
            ),
        )
        .select_from(reaching)
        .join(rewrite, rewrite.c.ev_class == reaching.c.at)
        .join(
            depends,
            (depends.c.objid == rewrite.c.oid)
            & (depends.c.classid == sa.cast("pg_rewrite", _RegClass()))
            & (depends.c.refclassid == sa.cast("pg_class", _RegClass())),
        )
        .join(relation, relation.c.oid == depends.c.refobjid)
        .where(relation.c.oid != reaching.c.at)
    )
    reaching = reaching.union(further)
    kind = relation.alias("kind")
    rows = connection.execute(
        sa.select(reaching.c.view, reaching.c.at, reaching.c.role)
        .join(kind, kind.c.oid == reaching.c.at)
        .where(kind.c.relkind.in_(["r", "p"]))
    )
    return [(row.view, row.at, row.role) for row in rows]


class _RegClass(sa.types.UserDefinedType[int]):
    """The oid of a table by its name."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        """The type's name."""
        return "regclass"


def _read_seen(
    connection: sa.Connection, wanted: Iterable[tuple[int, int | None]]
) -> dict[tuple[int, int | None], _Seen]:
    """Those of the tables on which row security is at work for the role, with its policies."""
    pairs = list(wanted)
    relation = sa.table(
        "pg_class",
        *map(sa.column, ("oid", "relname", "relnamespace", "relowner", "relrowsecurity")),
        sa.column("relforcerowsecurity"),
    )
    namespace = sa.table("pg_namespace", sa.column("oid"), sa.column("nspname"))
    roles = sa.table("pg_roles", *map(sa.column, ("oid", "rolname", "rolsuper", "rolbypassrls")))
    policy = sa.table(
        "pg_policy",
        *map(sa.column, ("polrelid", "polname", "polcmd", "polpermissive", "polqual")),
        sa.column("polroles"),
    )
    asked = (
        sa.func.unnest(
            sa.literal([table for table, _role in pairs], sa.ARRAY(sa.BigInteger)),
            sa.literal([role for _table, role in pairs], sa.ARRAY(sa.BigInteger)),
        )
        .table_valued("table", "role", name="asked")
        .render_derived()
    )
    is_current = roles.c.rolname == sa.cast(sa.func.current_user(), sa.Text)
    is_active = sa.case(
        (asked.c.role.is_(None), sa.func.row_security_active(relation.c.oid)),
        else_=relation.c.relrowsecurity
        & ~roles.c.rolsuper
        & ~roles.c.rolbypassrls
        & (
            relation.c.relforcerowsecurity
            | ~sa.func.pg_has_role(roles.c.oid, relation.c.relowner, "USAGE")
        ),
    )
    one_role = sa.func.unnest(policy.c.polroles).table_valued("role", name="one").render_derived()
    concerns = sa.exists(
        sa.select(sa.literal(1))
        .select_from(one_role)
        .where((one_role.c.role == 0) | sa.func.pg_has_role(roles.c.oid, one_role.c.role, "USAGE"))
    )
    is_true = sa.func.pg_get_expr(policy.c.polqual, policy.c.polrelid) == "true"
    rows = connection.execute(
        sa.select(
            asked.c.table,
            asked.c.role,
            sa.func.format("%I.%I", namespace.c.nspname, relation.c.relname).label("name"),
            relation.c.relname,
            sa.func.quote_ident(roles.c.rolname).label("quoted_role"),
            policy.c.polcmd,
            policy.c.polpermissive,
            sa.func.coalesce(is_true, False).label("is_true"),
        )
        .select_from(asked)
        .join(relation, relation.c.oid == asked.c.table)
        .join(namespace, namespace.c.oid == relation.c.relnamespace)
        .join(
            roles,
            (roles.c.oid == asked.c.role) | (asked.c.role.is_(None) & is_current),
        )
        .outerjoin(policy, (policy.c.polrelid == relation.c.oid) & concerns)
        .where(is_active)
        .order_by(namespace.c.nspname, relation.c.relname, policy.c.polname)
    ).all()
    found: dict[tuple[int, int | None], _Seen] = {}
    for row in rows:
        key = (row.table, row.role)
        of = found.get(key, _Seen(row.name, row.relname, row.quoted_role, ()))
        policies = of.policies
        if row.polcmd is not None:
            policies += ((row.polcmd, row.polpermissive, row.is_true),)
        found[key] = _Seen(of.table, of.shown, of.role, policies)
    return found


def _lack(seen: _Seen, deeds: frozenset[Deed], *, is_owner: bool) -> Lack:
    whose = "the owner of the view before it" if is_owner else "the database role"
    if any(map(seen.is_restricted, deeds)):
        who, cure = SUPERUSER, f"ALTER ROLE {seen.role} BYPASSRLS;"
    else:
        who = "its owner"
        cure = f"CREATE POLICY run_manager ON {seen.table} TO {seen.role} USING (true);"
    return Lack(
        f"Row security on “{seen.shown}” may hide rows from {whose}, which would stay and not be "
        "counted, so no run can be deleted",
        who,
        (cure,),
    )
