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
from runmanager.host.row_security import Deed, read_hidden
from runmanager.host.values import SUPERUSER, Lack, Privileges, Rule, TraceTable, shown_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from runmanager.host.values import Host, Link

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
    schema: str
    role: str
    uses_schema: bool
    reads: bool
    deletes: bool
    locks: bool
    unread: tuple[str, ...]

    def may_read(self, columns: frozenset[str] | None) -> bool:
        """Whether these columns may be read; with None, rows by their places too."""
        some = columns is not None and columns.isdisjoint(self.unread)
        return self.reads or (self.uses_schema and some)

    def grant(self, privileges: Iterable[str]) -> str:
        return _grant(privileges, [self.table], self.role)


def read_privileges(connection: sa.Connection, host: Host) -> Privileges:
    """What the role that is connected lacks on the tables of ``host``.

    Raises HostError, with the GRANT to make, where it may not read what nothing works without.
    """
    others = [table for table in (host.runs, host.users, host.workspaces) if table is not None]
    traces = {trace.name: trace for trace in (*host.traces, *host.left_behind)}
    # What holds or loses a reference is looked at too, beside what goes.
    kept = {
        shown_name(link.child): TraceTable(shown_name(link.child), link.child, None, is_named=False)
        for link in host.links
        if link.child.info["oid"] not in host.nodes
    }
    looked_at = kept | traces | {log.name: log for log in host.logs}
    tables = [
        *others,
        *(trace.table for trace in looked_at.values()),
        *(trace.worked for trace in host.traces),
        *(table for _link, table, _columns in _followed_through(host)),
    ]
    rights = _read_rights(connection, tables)
    unread = {
        name: _unread_table(name, rights[trace.table.info["oid"]])
        for name, trace in looked_at.items()
        if not _may_read_rows(trace, rights[trace.table.info["oid"]])
    }
    unread |= _unread_on_the_way(host, rights, unread)
    obstacles = [
        *_views_in_the_way(host),
        *_lacking(host, rights),
        *_on_other_servers(connection, host),
        *read_hidden(connection, *_deeds(host, unread, rights)),
    ]
    lacks = (*unread.values(), *obstacles)
    _require_readable(host, rights, lacks)
    return Privileges(
        unreadable={name: lack.sentence for name, lack in unread.items()},
        obstacles=tuple(lack.sentence for lack in obstacles),
        lacks=lacks,
        undeletable=frozenset(
            trace.name for trace in host.traces if not rights[trace.worked.info["oid"]].deletes
        ),
    )


def _unread_on_the_way(
    host: Host, rights: Mapping[int, _Rights], unread: Mapping[str, Lack]
) -> dict[str, Lack]:
    """What is lacking to find the rows of a table, by its name: they are found from others."""
    found: dict[str, Lack] = {}
    closed = {
        link: _unread_table(shown_name(table), rights[table.info["oid"]])
        for link, table, columns in _followed_through(host)
        if not rights[table.info["oid"]].may_read(columns)
    }
    while True:
        before = len(found)
        for trace in host.traces:
            for link in trace.links:
                above = host.nodes[link.parent.info["oid"]].name
                lack = closed.get(link) or unread.get(above) or found.get(above)
                if lack is not None and trace.name not in unread:
                    found.setdefault(trace.name, lack)
        if len(found) == before:
            return found


def _unread_table(name: str, rights: _Rights) -> Lack:
    grant = rights.grant(["SELECT"])
    if rights.uses_schema:
        return Lack(f"The database role may not read “{name}”", "its owner", (grant,))
    usage = f"GRANT USAGE ON SCHEMA {rights.schema} TO {rights.role};"
    return Lack(
        f"The database role may not read “{name}”",
        "the owners of its schema and of it",
        (usage, grant),
    )


def _views_in_the_way(host: Host) -> Iterator[Lack]:
    deleted = [trace for trace in (host.own, *host.traces) if trace.is_named]
    for trace in deleted:
        if trace.table.name in host.refusals:
            yield Lack(
                f"No run can be deleted through the view “{trace.name}” "
                f"({host.refusals[trace.table.name]}). Let it show plain columns of one table, as "
                "docs/hosts says, or give it an INSTEAD OF DELETE trigger."
            )


def _on_other_servers(connection: sa.Connection, host: Host) -> Iterator[Lack]:
    """What is kept on another server, where nobody can ask whether rows are hidden from us."""
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relkind")))
    traces = {
        oid: trace
        for trace in (host.own, *host.traces)
        for oid in (trace.stored.info["oid"], *_partitions(connection, trace.stored))
    }
    foreign = connection.scalars(
        sa.select(relation.c.oid).where(relation.c.oid.in_(list(traces)), relation.c.relkind == "f")
    )
    for name in sorted({traces[oid].name for oid in foreign}):
        yield Lack(
            f"No run can be deleted: rows of “{name}” are on another server, whose row security "
            "cannot be asked about. Delete them there, and take that foreign table off the "
            "search_path."
        )


def _partitions(connection: sa.Connection, table: sa.Table) -> list[int]:
    if table.info["kind"] != "p":
        return []
    tree = sa.func.pg_partition_tree(table.info["oid"]).table_valued("relid")
    return list(connection.scalars(sa.select(sa.cast(tree.c.relid, sa.BigInteger))))


def _followed_through(host: Host) -> Iterator[tuple[Link, sa.Table, frozenset[str] | None]]:
    """The real tables that each foreign key is followed through.

    With the columns that are read; None where rows are told by their places.
    """
    for link in (*(link for trace in host.traces for link in trace.links), *host.links):
        child = host.nodes.get(link.child.info["oid"])
        if child is not None:
            is_kin = child is host.own and link.rule is not Rule.CLEARS
            key = child.stored_key
            read = frozenset(link.columns if key is None else (key.name, *link.columns))
            yield link, link.child, read if is_kin else None
        parent = host.nodes[link.parent.info["oid"]]
        if parent.links:
            yield link, link.parent, None
        elif parent.stored_key is not None and parent.shown(link) is None:
            yield link, link.parent, frozenset({parent.stored_key.name, *link.to_columns})


def _deeds(
    host: Host, unreadable: Collection[str], rights: Mapping[int, _Rights]
) -> tuple[dict[int, frozenset[Deed]], dict[int, frozenset[Deed]]]:
    """What is done to the rows of which table, and of which view, by oid."""
    found: tuple[dict[int, frozenset[Deed]], dict[int, frozenset[Deed]]] = ({}, {})

    def add(table: sa.Table, *deeds: Deed) -> None:
        of = found[1] if table.info["kind"] == "v" else found[0]
        of[table.info["oid"]] = of.get(table.info["oid"], frozenset()) | set(deeds)

    add(host.runs, Deed.READ, Deed.LOCK, Deed.DELETE)
    for trace in host.traces:
        deletes = _needs_delete(host, trace) or rights[trace.worked.info["oid"]].deletes
        add(trace.table, Deed.READ)
        add(trace.worked, Deed.READ, *([Deed.DELETE] if deletes else []))
    for _link, table, _columns in _followed_through(host):
        add(table, Deed.READ)
    for trace in host.left_behind:
        if trace.name not in unreadable:
            add(trace.table, Deed.READ)
    for link in host.links:
        if shown_name(link.child) not in unreadable and link.child.info["oid"] not in host.nodes:
            add(link.child, Deed.READ)
    return found


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
            relation.c.relkind.in_(["r", "p", "v", "m", "f"]),
            ~sa.func.has_schema_privilege(namespace.c.oid, "USAGE"),
        )
        .order_by(relation.c.relname, namespace.c.nspname)
    )
    lacks = [
        Lack(
            f"The database role may not use the schema “{row.nspname}”, which holds "
            f"“{row.relname}”",
            "its owner",
            (f"GRANT USAGE ON SCHEMA {row.quoted} TO {row.quoted_role};",),
        )
        for row in rows
        if row.nspname in _schemas_of(row.path, row.role)
    ]
    if lacks:
        raise HostError(lacks[0].sentence, statements_of(lacks))


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
            sa.func.quote_ident(namespace.c.nspname).label("schema"),
            sa.func.quote_ident(_current_user()).label("role"),
            sa.func.has_schema_privilege(namespace.c.oid, "USAGE").label("uses_schema"),
            sa.func.has_table_privilege(relation.c.oid, "SELECT").label("reads"),
            sa.func.has_table_privilege(relation.c.oid, "DELETE").label("deletes"),
            sa.func.has_any_column_privilege(relation.c.oid, "UPDATE").label("locks"),
            unread,
        )
        .join(namespace, namespace.c.oid == relation.c.relnamespace)
        .join(attribute, attribute.c.attrelid == relation.c.oid)
        .where(relation.c.oid.in_(oids), attribute.c.attnum > 0, ~attribute.c.attisdropped)
        .group_by(relation.c.oid, namespace.c.oid, namespace.c.nspname, relation.c.relname)
    )
    found = {
        row.oid: _Rights(
            table=row.table,
            schema=row.schema,
            role=row.role,
            uses_schema=row.uses_schema,
            reads=row.reads and row.uses_schema,
            deletes=row.deletes and row.uses_schema,
            locks=row.locks,
            unread=tuple(row.unread or ()),
        )
        for row in rows
    }
    # A table that was dropped a moment ago is met as such by whoever reads it.
    gone = _Rights("", "", "", uses_schema=True, reads=True, deletes=True, locks=True, unread=())
    return {oid: found.get(oid, gone) for oid in oids}


def _current_user() -> sa.ColumnElement[str]:
    return sa.cast(sa.func.current_user(), sa.Text)


def _require_readable(host: Host, rights: Mapping[int, _Rights], further: Collection[Lack]) -> None:
    """Raises HostError for what nothing works without; its SQL mends what else is lacking too."""
    runs = rights[host.runs.info["oid"]]
    lacks = []
    if runs.unread:
        lacks.append(_unread(host.runs, runs.unread, runs.grant(["SELECT"])))
    lacks += _unread_columns(host.users, USED_OF_USERS, rights)
    if host.workspaces is not None:
        lacks += _unread_columns(host.workspaces, USED_OF_WORKSPACES, rights)
    if lacks:
        raise HostError(lacks[0].sentence, statements_of([*lacks, *further]))


def _unread_columns(
    table: sa.Table, used: Collection[str], rights: Mapping[int, _Rights]
) -> list[Lack]:
    of_table = rights[table.info["oid"]]
    lacking = [column for column in used if column in of_table.unread]
    grant = of_table.grant([f"SELECT ({', '.join(lacking)})"])
    return [_unread(table, lacking, grant)] if lacking else []


def _unread(table: sa.Table, columns: Collection[str], grant: str) -> Lack:
    # With no column at all it is the table that is denied.
    several = f"the columns {', '.join(f'“{column}”' for column in columns)} of "
    which = "" if len(columns) == len(table.c) else several
    return Lack(f"The database role may not read {which}“{table.name}”", "its owner", (grant,))


def statements_of(lacks: Iterable[Lack]) -> tuple[str, ...]:
    """The statements that would mend these, each once, below a comment on who may run them."""
    found: list[str] = []
    by: str | None = None
    for lack in lacks:
        wanted = [one for one in lack.sql if one not in found]
        who = "-- As a superuser:" if lack.who == SUPERUSER else "-- As the owner:"
        if wanted and by != who:
            found.append(who)
            by = who
        found += wanted
    return tuple(found)


def _may_read_rows(trace: TraceTable, rights: _Rights) -> bool:
    # Without a key a row is told apart by its place in the file, which the right to each single
    # column does not cover; nor is it where rows are found by foreign keys.
    by_place = trace.links or not trace.table.info["key"]
    by_columns = rights.uses_schema and not rights.unread and not by_place
    return rights.reads or by_columns


def _needs_delete(host: Host, trace: TraceTable) -> bool:
    """Whether the role must delete the rows itself, before what they refer to."""
    # What would hold another row in place holds it until it is gone.
    return trace.needs_delete or any(
        link.rule is Rule.HOLDS and host.nodes.get(link.child.info["oid"]) is trace
        for link in host.links
    )


def _lacking(host: Host, rights: Mapping[int, _Rights]) -> Iterator[Lack]:
    """The grants without which the role cannot delete runs with every trace."""
    wanted: dict[int, list[str]] = {}
    for trace in (host.own, *host.traces):
        is_runs = trace is host.own
        oid = trace.worked.info["oid"]
        needs = {
            "SELECT": is_runs or _may_read_rows(trace, rights[oid]),
            "DELETE": rights[oid].deletes or not _needs_delete(host, trace),
            _LOCKING: not is_runs or rights[oid].locks,
        }
        wanted[oid] = [name for name, is_there in needs.items() if not is_there]
    for _link, table, columns in _followed_through(host):
        oid = table.info["oid"]
        of_table = wanted.setdefault(oid, [])
        if not rights[oid].may_read(columns) and "SELECT" not in of_table:
            of_table.insert(0, "SELECT")
    lacking: dict[tuple[str, ...], list[str]] = {}
    for oid, privileges in wanted.items():
        if privileges:
            lacking.setdefault(tuple(privileges), []).append(rights[oid].table)
    if lacking:
        role = next(iter(rights.values())).role
        grants = tuple(
            _grant(privileges, sorted(tables), role) for privileges, tables in lacking.items()
        )
        yield Lack("The database role may not delete runs", "an owner of the tables", grants)


def _grant(privileges: Iterable[str], tables: Iterable[str], role: str) -> str:
    return f"GRANT {', '.join(privileges)} ON {', '.join(tables)} TO {role};"
