"""What the database role may do with the host's tables; what it lacks is said as the GRANT to make.

Like ``catalog.py`` it reads PostgreSQL's catalog, which is why it sends SQL. Asked beforehand, so
that nothing is offered that the database would refuse halfway: rows would be left over else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.errors import HostError
from runmanager.host.values import Privileges

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from runmanager.host.values import Host

# Only these are read of a host's people: a role need not see their other columns.
USED_OF_USERS = ("id", "username", "password_hash", "is_admin", "is_active")
USED_OF_WORKSPACES = ("id", "name")
# PostgreSQL locks a row only for a role that may update some column of it. Nothing is updated.
_LOCKING = "UPDATE (run_name)"
_NAME_IN_PATH = re.compile(r'"((?:[^"]|"")+)"|([^\s,"]+)')


@dataclass(frozen=True)
class _Rights:
    """What the role may do with one table. Its name and the role's are quoted as SQL needs them."""

    table: str
    role: str
    reads: bool
    deletes: bool
    locks: bool
    unread: tuple[str, ...]

    def grant(self, privileges: Iterable[str]) -> str:
        return _grant(privileges, [self.table], self.role)


def read_privileges(connection: sa.Connection, host: Host) -> Privileges:
    """What the role that is connected lacks on the tables of ``host``.

    Raises HostError, with the GRANT to make, where it may not read what nothing works without.
    """
    traces = {trace.name: trace.table for trace in (*host.traces, *host.left_behind)}
    others = (host.runs, host.users, host.workspaces)
    tables = [*(table for table in others if table is not None), *traces.values()]
    rights = _read_rights(connection, tables)
    _require_readable(host, rights)
    unreadable = {
        name: f"The database role may not read “{name}”; let its owner run: "
        + rights[table.info["oid"]].grant(["SELECT"])
        for name, table in traces.items()
        if not _may_read_rows(table, rights[table.info["oid"]])
    }
    return Privileges(unreadable, _deleting(host, rights))


def require_usable_schemas(
    connection: sa.Connection, wanted: Collection[str], visible: Collection[str]
) -> None:
    """Raises HostError where a schema on the search_path hides one of the ``wanted`` tables.

    PostgreSQL passes over a schema that the role may not use, as if its tables were not there: a
    deletion would leave their rows behind.
    """
    relation = sa.table("pg_class", *map(sa.column, ("relname", "relnamespace", "relkind")))
    namespace = sa.table("pg_namespace", *map(sa.column, ("oid", "nspname")))
    rows = connection.execute(
        sa.select(
            relation.c.relname,
            namespace.c.nspname,
            sa.func.quote_ident(namespace.c.nspname).label("quoted"),
            sa.func.current_setting("search_path").label("path"),
            _current_user().label("role"),
            sa.func.quote_ident(_current_user()).label("quoted_role"),
        )
        .join(namespace, namespace.c.oid == relation.c.relnamespace)
        .where(
            relation.c.relname.in_(sorted(set(wanted) - set(visible))),
            relation.c.relkind.in_(["r", "p", "v", "m"]),
            ~sa.func.has_schema_privilege(namespace.c.oid, "USAGE"),
        )
        .order_by(relation.c.relname, namespace.c.nspname)
    )
    for row in rows:
        if row.nspname in _schemas_of(row.path, row.role):
            raise HostError(
                f"The database role may not use the schema “{row.nspname}”, which holds "
                f"“{row.relname}”; let its owner run: "
                f"GRANT USAGE ON SCHEMA {row.quoted} TO {row.quoted_role};"
            )


def _schemas_of(path: str, role: str) -> set[str]:
    """The schemas that a ``search_path`` names."""
    names = (
        quoted.replace('""', '"') if quoted else plain.lower()
        for quoted, plain in _NAME_IN_PATH.findall(path)
    )
    return {role if name == "$user" else name for name in names}


def _read_rights(connection: sa.Connection, tables: Iterable[sa.Table]) -> dict[int, _Rights]:
    """What the role may do with each table, by its oid. Membership of other roles counts."""
    oids = [table.info["oid"] for table in tables]
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relname", "relnamespace")))
    namespace = sa.table("pg_namespace", *map(sa.column, ("oid", "nspname")))
    attribute = sa.table(
        "pg_attribute", *map(sa.column, ("attrelid", "attname", "attnum", "attisdropped"))
    )
    unread = (
        sa.func.array_agg(sa.cast(attribute.c.attname, sa.Text))
        .filter(~sa.func.has_column_privilege(relation.c.oid, attribute.c.attnum, "SELECT"))
        .label("unread")
    )
    rows = connection.execute(
        sa.select(
            relation.c.oid,
            sa.func.format("%I.%I", namespace.c.nspname, relation.c.relname).label("table"),
            sa.func.quote_ident(_current_user()).label("role"),
            sa.func.has_table_privilege(relation.c.oid, "SELECT").label("reads"),
            sa.func.has_table_privilege(relation.c.oid, "DELETE").label("deletes"),
            sa.func.has_any_column_privilege(relation.c.oid, "UPDATE").label("locks"),
            unread,
        )
        .join(namespace, namespace.c.oid == relation.c.relnamespace)
        .join(attribute, attribute.c.attrelid == relation.c.oid)
        .where(relation.c.oid.in_(oids), attribute.c.attnum > 0, ~attribute.c.attisdropped)
        .group_by(relation.c.oid, namespace.c.nspname, relation.c.relname)
    )
    found = {
        row.oid: _Rights(
            row.table, row.role, row.reads, row.deletes, row.locks, tuple(row.unread or ())
        )
        for row in rows
    }
    # A table that was dropped a moment ago is met as such by whoever reads it.
    gone = _Rights("", "", reads=True, deletes=True, locks=True, unread=())
    return {oid: found.get(oid, gone) for oid in oids}


def _current_user() -> sa.ColumnElement[str]:
    return sa.cast(sa.func.current_user(), sa.Text)


def _require_readable(host: Host, rights: Mapping[int, _Rights]) -> None:
    runs = rights[host.runs.info["oid"]]
    if runs.unread:
        raise HostError(_unread(host.runs, runs.unread, runs.grant(["SELECT"])))
    _require_columns(host.users, USED_OF_USERS, rights)
    if host.workspaces is not None:
        _require_columns(host.workspaces, USED_OF_WORKSPACES, rights)


def _require_columns(table: sa.Table, used: Collection[str], rights: Mapping[int, _Rights]) -> None:
    of_table = rights[table.info["oid"]]
    lacking = [column for column in used if column in of_table.unread]
    if lacking:
        grant = of_table.grant([f"SELECT ({', '.join(lacking)})"])
        raise HostError(_unread(table, lacking, grant))


def _unread(table: sa.Table, columns: Collection[str], grant: str) -> str:
    # With no column at all it is the table that is denied.
    several = f"the columns {', '.join(f'“{column}”' for column in columns)} of "
    which = "" if len(columns) == len(table.c) else several
    return f"The database role may not read {which}“{table.name}”; let its owner run: {grant}"


def _may_read_rows(table: sa.Table, rights: _Rights) -> bool:
    # Without a key a row is told apart by its place in the file, which the right to each single
    # column does not cover.
    return rights.reads or (not rights.unread and bool(table.info["key"]))


def _deleting(host: Host, rights: Mapping[int, _Rights]) -> str | None:
    """Why the role cannot delete runs with every trace; None where it can."""
    lacking: dict[tuple[str, ...], list[str]] = {}
    role = ""
    for table in (host.runs, *(trace.table for trace in host.traces)):
        is_runs = table is host.runs
        of_table = rights[table.info["oid"]]
        needs = {
            "SELECT": is_runs or _may_read_rows(table, of_table),
            "DELETE": of_table.deletes,
            _LOCKING: not is_runs or of_table.locks,
        }
        privileges = tuple(name for name, is_there in needs.items() if not is_there)
        if privileges:
            role = of_table.role
            lacking.setdefault(privileges, []).append(of_table.table)
    if not lacking:
        return None
    grants = " ".join(
        _grant(privileges, sorted(tables), role) for privileges, tables in lacking.items()
    )
    return f"The database role may not delete runs; let an owner of the tables run: {grants}"


def _grant(privileges: Iterable[str], tables: Iterable[str], role: str) -> str:
    return f"GRANT {', '.join(privileges)} ON {', '.join(tables)} TO {role};"
