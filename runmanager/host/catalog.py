"""The host's schema as PostgreSQL's catalog has it; what is missing is said in words.

The catalog is read here, which is why SQL stands outside ``queries/`` and ``deletion/``. Tables are
those that the connection's ``search_path`` finds, and those that foreign keys lead to from there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runmanager.conventions import Conventions
from runmanager.errors import HostError
from runmanager.host.following import Followed, Node, follow
from runmanager.host.privileges import read_privileges, require_usable_schemas
from runmanager.host.relations import (
    Families,
    ForeignKey,
    find_named,
    find_places,
    find_with_thread_id,
    names_of,
    read_families,
    read_foreign_keys,
    read_tables,
)
from runmanager.host.values import (
    LANGGRAPH_TABLES,
    LOG_TABLES,
    Host,
    Link,
    Rule,
    TraceTable,
    may_be_time,
    shown_name,
    stored_column,
    stored_id,
    stored_table,
)
from runmanager.host.versions import read_shape, read_version
from runmanager.host.views import Behind, Use, look_behind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import sqlalchemy as sa

REQUIRED = {
    "run_metadata": ("thread_id", "run_name", "status", "created_at", "user_id", "workspace_id"),
    "users": ("id", "username", "is_admin"),
}
_RULES = {"c": Rule.TAKES, "n": Rule.CLEARS, "d": Rule.CLEARS, "r": Rule.HOLDS, "a": Rule.HOLDS}
_USUAL = Conventions()
# What a host can do that lacks one, where that is not plain.
_CURES = {"is_admin": "“My users have no admin flag” in docs/own-database.md makes one"}


@dataclass(frozen=True)
class _Schema:
    """What was read of the catalog: tables by oid, the foreign keys, and who inherits from whom."""

    tables: dict[int, sa.Table]
    keys: tuple[ForeignKey, ...]
    families: Families


def read_host(connection: sa.Connection, conventions: Conventions = _USUAL) -> Host:
    """The host's schema as this connection sees it.

    Raises HostError, in one sentence that names it, for a missing table or column, or for a GRANT
    without which nothing works.
    """
    # Before all else: what changes meanwhile is then seen as a change.
    version = read_version(connection)
    known = {*REQUIRED, "workspaces", *LANGGRAPH_TABLES, *LOG_TABLES, *conventions.trace_tables}
    named = _find_with_schema(connection, conventions) | find_named(connection, known)
    with_id = find_with_thread_id(connection)
    schema = _Schema(
        read_tables(connection, {*named.values(), *with_id.values()}),
        read_foreign_keys(connection),
        read_families(connection),
    )
    tables = schema.tables
    found = {name: tables[oid] for name, oid in named.items() if oid in tables}
    require_usable_schemas(connection, known, found)
    _require_columns(found)
    by_name = [
        found[name]
        for name in sorted({*LANGGRAPH_TABLES, *LOG_TABLES, *conventions.trace_tables})
        if name in found and found[name] is not found["run_metadata"]
    ]
    refusals = _look_behind_views(connection, schema, found, by_name)
    runs = found["run_metadata"]
    by_name = [table for table in by_name if stored_table(table) is not stored_table(runs)]
    followed = _follow(schema, runs, by_name)
    unfindable = _unfindable(schema, followed, [runs, *by_name])
    if unfindable:
        for view in unfindable:
            refusals[view.name] = (
                "it computes the id of a run, so what belongs to it by foreign keys of "
                f"{shown_name(view.info.pop('stored'))} cannot be found"
            )
        followed = _follow(schema, runs, by_name)
    _read_further(connection, schema, followed)
    traces = _traces(schema, followed, runs, by_name)
    _require_named(conventions.trace_tables, found, traces)
    order = [oid for unit in followed.units for oid in unit]
    host = Host(
        runs=runs,
        users=found["users"],
        workspaces=_workspaces(found),
        traces=tuple(traces[oid] for oid in order if oid in traces),
        left_behind=_left_behind(schema, followed, traces, with_id.values()),
        logs=tuple(
            TraceTable(table.name, table, table.c.thread_id)
            for table in by_name
            if table.name in LOG_TABLES and "thread_id" in table.c
        ),
        links=tuple(_link(schema, key) for key in followed.others),
        conventions=conventions,
        version=version,
        refusals=refusals,
    )
    host = replace(host, units=_units(host, followed))
    host = replace(host, privileges=read_privileges(connection, host))
    return replace(host, shape=read_shape(connection, host))


def _find_with_schema(connection: sa.Connection, conventions: Conventions) -> dict[str, int]:
    """The tables that the settings name with their schemas, which need not be on the path."""
    named = {name: tuple(name.split(".", 1)) for name in conventions.trace_tables if "." in name}
    places = {(schema, table) for schema, table in named.values()}
    oids = find_places(connection, places)
    return {
        name: oids[schema, table]
        for name, (schema, table) in named.items()
        if (schema, table) in oids
    }


def _follow(schema: _Schema, runs: sa.Table, by_name: Iterable[sa.Table]) -> Followed:
    named = [_node(table) for table in by_name]
    return follow(_node(runs), named, schema.keys, schema.families)


def _unfindable(schema: _Schema, followed: Followed, views: Iterable[sa.Table]) -> list[sa.Table]:
    """The views that compute the id, where foreign keys need the rows of the table behind them."""
    found = []
    for view in views:
        stored = stored_table(view)
        if stored is view or "thread_id" not in view.c or stored_id(view.c.thread_id) is not None:
            continue
        own = stored.info["oid"]
        shown = {
            stored_column(column).info["number"]
            for column in view.c
            if stored_column(column).table is stored
        }
        if any(
            (followed.homes[key.table] == own and followed.homes[key.to_table] in followed.nodes)
            or (
                followed.homes[key.to_table] == own
                and (key.to_table != own or not shown.issuperset(key.to_columns))
            )
            for key in schema.keys
        ):
            found.append(view)
    return found


def _node(table: sa.Table) -> Node:
    """What is followed from a table that goes by its name, or from the one behind it."""
    stored = stored_table(table)
    key = stored_id(table.c.thread_id) if "thread_id" in table.c else None
    return Node(stored.info["oid"], None if key is None else key.info["number"], is_named=True)


def _look_behind_views(
    connection: sa.Connection,
    schema: _Schema,
    found: Mapping[str, sa.Table],
    going: Iterable[sa.Table],
) -> dict[str, str]:
    """Note in ``info`` what is behind each view; why some cannot be deleted through, by name."""
    others = [found[name] for name in ("users", "workspaces") if name in found]
    uses = {
        **dict.fromkeys(others, Use.READ),
        **dict.fromkeys(going, Use.DELETE),
        found["run_metadata"]: Use.LOCK,
    }
    behind = {
        table: look_behind(connection, table, use)
        for table, use in uses.items()
        if table.info["kind"] == "v"
    }
    places = {
        (place.schema, place.table)
        for one in behind.values()
        for place in (*one.columns.values(), *one.casts.values())
    } | {one.deletes_from for one in behind.values() if one.deletes_from is not None}
    oids = find_places(connection, places)
    schema.tables.update(read_tables(connection, set(oids.values()) - schema.tables.keys()))
    for view, one in behind.items():
        _attach(view, one, {place: schema.tables[oid] for place, oid in oids.items()})
    refusals = {view.name: one.refusal for view, one in behind.items() if one.refusal is not None}
    return refusals | {
        table.name: "a materialized view is a copy"
        for table, use in uses.items()
        if table.info["kind"] == "m" and use is not Use.READ
    }


def _attach(view: sa.Table, behind: Behind, tables: Mapping[tuple[str, str], sa.Table]) -> None:
    if behind.deletes_from is not None and behind.deletes_from in tables:
        view.info["stored"] = tables[behind.deletes_from]
    for of, places in (("stored", behind.columns), ("cast", behind.casts)):
        for name, place in places.items():
            table = tables.get((place.schema, place.table))
            if table is not None and place.column in table.c:
                view.c[name].info[of] = table.c[place.column]
    stored = view.info.get("stored")
    if stored is None:
        return
    shown = {
        stored_column(column).name: column.name
        for column in view.c
        if stored_column(column).table is stored
    }
    if stored.info["key"] and all(name in shown for name in stored.info["key"]):
        view.info["key"] = tuple(shown[name] for name in stored.info["key"])


def _read_further(connection: sa.Connection, schema: _Schema, followed: Followed) -> None:
    """Read the tables that foreign keys led to, and note who counts for which heirs."""
    links = [key for node in followed.nodes.values() for key in node.links]
    wanted = set(followed.nodes)
    for key in (*links, *followed.others):
        wanted |= {key.table, key.to_table}
    schema.tables.update(read_tables(connection, wanted - schema.tables.keys()))
    for oid, home in followed.homes.items():
        if oid != home and home in followed.nodes and home in schema.tables:
            schema.tables[home].info.setdefault("family", set()).add(oid)


def _traces(
    schema: _Schema, followed: Followed, runs: sa.Table, by_name: Iterable[sa.Table]
) -> dict[int, TraceTable]:
    """What goes with a run beside its own row, by the oid of the real table."""
    named = {stored_table(table).info["oid"]: table for table in by_name}
    own = stored_table(runs).info["oid"]
    found: dict[int, TraceTable] = {}
    for oid, node in followed.nodes.items():
        if oid == own or oid not in schema.tables:
            continue
        stored, table = schema.tables[oid], named.get(oid)
        links = tuple(_link(schema, key, is_override=True) for key in node.links)
        if table is None or (table is not stored and _empties_itself(schema, followed, node, own)):
            key = None if node.key is None else stored.c[names_of(stored, [node.key])[0]]
            found[oid] = TraceTable(shown_name(stored), stored, key, links, is_named=False)
        else:
            key = table.c.thread_id if "thread_id" in table.c else None
            found[oid] = TraceTable(shown_name(table), table, key, links)
    return found


def _empties_itself(schema: _Schema, followed: Followed, node: Node, runs: int) -> bool:
    """Whether the database takes each row with a run's id along, also what a view leaves out."""
    own = followed.nodes[runs].key
    return any(
        key.on_delete == "c"
        and key.table == node.oid
        and key.to_table == runs
        and (key.columns, key.to_columns) == ((node.key,), (own,))
        for key in schema.keys
    )


def _link(schema: _Schema, key: ForeignKey, *, is_override: bool = False) -> Link:
    child, parent = schema.tables[key.table], schema.tables[key.to_table]
    rule = _RULES[key.on_delete]
    cleared = names_of(child, key.cleared) if rule is Rule.CLEARS else ()
    if any(child.c[name].info["not_null"] for name in cleared):
        # The database would refuse to clear it.
        rule = Rule.HOLDS
    return Link(
        name=key.name,
        child=child,
        columns=names_of(child, key.columns),
        parent=parent,
        to_columns=names_of(parent, key.to_columns),
        rule=rule,
        is_override=is_override and key.on_delete != "c",
    )


def _left_behind(
    schema: _Schema,
    followed: Followed,
    traces: Mapping[int, TraceTable],
    with_id: Iterable[int],
) -> tuple[TraceTable, ...]:
    """The visible tables that hold ids of runs in rows which do not go, or not all of them."""
    candidates = {oid: schema.tables[oid] for oid in with_id if oid in schema.tables}
    referring = {
        (link.child.info["oid"], name)
        for link in (_link(schema, key) for key in followed.others)
        for name in link.columns
        if link.parent.info["oid"] in followed.nodes
    }
    found = []
    for oid, table in candidates.items():
        heirs_of = schema.families.ancestors(oid)
        home = followed.homes.get(oid, oid)
        going = traces.get(home)
        if (
            any(one in followed.nodes or one in candidates for one in heirs_of)
            or (home in followed.nodes and going is None)
            or (going is not None and going.key is not None and going.key.name == "thread_id")
            or (going is not None and going.is_named)
            or (oid, "thread_id") in referring
        ):
            continue
        found.append(TraceTable(shown_name(table), table, table.c.thread_id, is_named=False))
    return tuple(sorted(found, key=lambda trace: trace.name))


def _units(host: Host, followed: Followed) -> tuple[tuple[TraceTable, ...], ...]:
    return tuple(
        tuple(host.nodes[oid] for oid in unit if oid in host.nodes) for unit in followed.units
    )


def _require_columns(tables: Mapping[str, sa.Table]) -> None:
    for name, columns in REQUIRED.items():
        if name not in tables:
            raise HostError(
                f"The database has no table “{name}” on its search_path: is this the "
                "LangGraph application's database? docs/hosts describes hosts whose tables have "
                "other names."
            )
        for column in columns:
            if column not in tables[name].c:
                cure = f": {_CURES[column]}" if column in _CURES else ""
                raise HostError(
                    f"The table “{name}” has no column “{column}”, which is needed{cure}."
                )
    created_at = tables["run_metadata"].c.created_at
    if not may_be_time(created_at):
        raise HostError(
            "The column “created_at” of “run_metadata” is of type "
            f"{created_at.info['type']}, where a timestamp, a date or an ISO 8601 text is needed."
        )


def _require_named(
    trace_tables: Iterable[str],
    found: Mapping[str, sa.Table],
    traces: Mapping[int, TraceTable],
) -> None:
    for name in trace_tables:
        oid = stored_table(found[name]).info["oid"] if name in found else None
        trace = None if oid is None else traces.get(oid)
        if trace is None or (trace.key is None and not trace.links):
            raise HostError(
                f"RUNMANAGER_TRACE_TABLES names “{name}”, but the database has no such table with "
                "a column “thread_id” or a foreign key to what goes with a run."
            )


def _workspaces(found: Mapping[str, sa.Table]) -> sa.Table | None:
    table = found.get("workspaces")
    return table if table is not None and {"id", "name"} <= set(table.c.keys()) else None
