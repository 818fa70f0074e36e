"""Whether the host's schema is still what it was when it was read.

Like ``catalog.py`` it reads the catalog, which is why it sends SQL. A whole look costs too much for
every transaction. So one statement tells whether anything has changed at all; only then is the
schema read again, and what a deletion depends on compared.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runmanager.host.values import Host

_RELATION = (
    *("oid", "relname", "relnamespace", "relkind", "relowner", "relrowsecurity"),
    *("relforcerowsecurity", "reloptions", "relacl", "relhassubclass"),
)
_ATTRIBUTE = ("attrelid", "attnum", "attname", "atttypid", "attnotnull", "attisdropped", "attacl")
_TRIGGER = ("oid", "tgrelid", "tgname", "tgfoid", "tgtype", "tgenabled")
_POLICY = ("polrelid", "polname", "polcmd", "polpermissive", "polroles", "polqual")
_ROLE = ("oid", "rolname", "rolsuper", "rolinherit", "rolbypassrls")
_REWRITE = ("oid", "ev_class", "rulename", "ev_enabled", "ev_action")


def read_version(connection: sa.Connection) -> str:
    """A text that differs where any table, column, key, trigger, rule, policy, role or right does.

    Partitions come and go every hour and change nothing of what their parent's rows are: they are
    left out, but for those that have a foreign key of their own or are referred to by themselves.
    Temporary tables too.
    """
    return str(connection.scalar(_version()))


def read_shape(connection: sa.Connection, host: Host) -> str:
    """A text that differs where what becomes of a run's rows may: what a plan depends on."""
    real = {
        table.info["oid"]: table
        for trace in (host.own, *host.traces, *host.left_behind)
        for table in (trace.table, trace.stored)
    } | {link.child.info["oid"]: link.child for link in host.links}
    facts = [
        *(_of_trace(trace) for trace in (host.own, *host.traces)),
        *(f"left {trace.name} {trace.key}" for trace in host.left_behind),
        *(_of_link(link) for link in host.links),
        *host.privileges.sentences,
        *sorted(host.privileges.undeletable),
        *_rules(connection, real),
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


@cache
def _version() -> sa.Select[tuple[str]]:
    # Made once: making it takes longer than asking it, and every batch of a deletion asks.
    relation = sa.table(
        "pg_class", *map(sa.column, (*_RELATION, "relispartition", "relpersistence"))
    )
    namespace = sa.table("pg_namespace", *map(sa.column, ("oid", "nspname", "nspacl")))
    constraint = _table("pg_constraint", ("conrelid", "confrelid", "contype", "conparentid"))
    keys = (constraint.c.contype == "f") & (constraint.c.conparentid == 0)
    own = (
        sa.select(relation.c.oid)
        .join(namespace, namespace.c.oid == relation.c.relnamespace)
        .where(
            relation.c.relkind.in_(["r", "p", "v", "m", "f"]),
            sa.or_(
                ~relation.c.relispartition,
                relation.c.oid.in_(sa.select(constraint.c.conrelid).where(keys)),
                relation.c.oid.in_(sa.select(constraint.c.confrelid).where(keys)),
            ),
            relation.c.relpersistence != "t",
            namespace.c.nspname.not_like("pg\\_%"),
            namespace.c.nspname != "information_schema",
        )
        .cte("own")
        .prefix_with("MATERIALIZED")
    )
    attribute = _table("pg_attribute", _ATTRIBUTE)
    trigger = _table("pg_trigger", (*_TRIGGER, "tgisinternal", "tgparentid"))
    policy = _table("pg_policy", _POLICY)
    rewrite = _table("pg_rewrite", _REWRITE)
    mine = sa.select(own.c.oid)
    role = _table("pg_roles", _ROLE)
    member = _table("pg_auth_members", ("roleid", "member"))
    parts = [
        _digest(relation, _RELATION, relation.c.oid.in_(mine)),
        _digest(namespace, ("nspname", "nspacl"), sa.true()),
        _digest(attribute, _ATTRIBUTE, attribute.c.attrelid.in_(mine), attribute.c.attnum > 0),
        # The whole row: some of what decides over a key has a column on newer servers only.
        _digest(constraint, ("*",), constraint.c.contype == "f", constraint.c.conparentid == 0),
        _digest(trigger, _TRIGGER, ~trigger.c.tgisinternal, trigger.c.tgparentid == 0),
        _digest(policy, _POLICY, sa.true()),
        _digest(rewrite, _REWRITE, rewrite.c.ev_class.in_(mine)),
        _digest(role, _ROLE, sa.true()),
        _digest(member, ("roleid", "member"), sa.true()),
    ]
    both = sa.func.concat_ws(" ", sa.func.current_setting("search_path"), *parts)
    return sa.select(sa.func.md5(both))


def _of_trace(trace: Any) -> str:
    columns = ", ".join(f"{one.name} {one.info['type']}" for one in trace.table.c)
    links = "; ".join(map(_of_link, trace.links))
    oids = f"{trace.table.info['oid']} {trace.stored.info['oid']}"
    return f"{trace.name} {oids} {trace.key} {trace.is_named} ({columns}) {links}"


def _of_link(link: Any) -> str:
    return (
        f"{link.name} {link.child.info['oid']} {link.columns} {link.parent.info['oid']} "
        f"{link.to_columns} {link.rule.name} {link.is_override}"
    )


def _rules(connection: sa.Connection, tables: Iterable[int]) -> list[str]:
    """The triggers, policies and rules of these tables, as PostgreSQL writes them."""
    trigger = _table("pg_trigger", ("oid", "tgrelid", "tgisinternal", "tgenabled"))
    policy = _table("pg_policy", _POLICY)
    rewrite = _table("pg_rewrite", ("oid", "ev_class"))
    oids = list(tables)
    triggers = sa.select(
        sa.func.concat(sa.func.pg_get_triggerdef(trigger.c.oid), " ", trigger.c.tgenabled)
    ).where(trigger.c.tgrelid.in_(oids), ~trigger.c.tgisinternal)
    policies = sa.select(
        sa.func.concat_ws(
            " ",
            *(policy.c[name] for name in _POLICY if name != "polqual"),
            sa.func.pg_get_expr(policy.c.polqual, policy.c.polrelid),
        )
    ).where(policy.c.polrelid.in_(oids))
    rules = sa.select(sa.func.pg_get_ruledef(rewrite.c.oid)).where(rewrite.c.ev_class.in_(oids))
    found: list[str] = []
    for statement in (triggers, policies, rules):
        found += sorted(map(str, connection.scalars(statement)))
    return found


def _table(name: str, columns: Sequence[str]) -> sa.TableClause:
    return sa.table(name, *map(sa.column, columns))


def _digest(
    table: Any, columns: Sequence[str], *where: sa.ColumnElement[bool]
) -> sa.ScalarSelect[str]:
    named = [
        sa.literal_column(f"{table.name}.*") if name == "*" else table.c[name] for name in columns
    ]
    text = sa.cast(sa.func.row(*named), sa.Text)
    # Sums of hashes need no order.
    total = sa.func.sum(sa.func.hashtextextended(text, 0))
    return sa.select(sa.cast(total, sa.Text)).where(*where).scalar_subquery()
