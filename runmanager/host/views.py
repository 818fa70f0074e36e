"""What is behind a view: asked of PostgreSQL's planner, which knows best.

A host that differs is described by views. The keys, indexes, triggers and policies that count are
those of the table behind one, and what the planner cannot delete through, nobody can.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from runmanager.database import INSUFFICIENT_PRIVILEGE, diagnostic, sqlstate
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_make_dialect: Callable[..., sa.Dialect] = postgresql.dialect
_DIALECT = _make_dialect(paramstyle="named")
_NAME = r'(?:"(?:[^"]|"")+"|[a-z_\x80-\uffff][\w$]*)'
_PLAIN = re.compile(rf"({_NAME})\.({_NAME})")
# A cast, or several; with a length, or an operator beside it, a value may print otherwise.
_CAST = re.compile(rf"\(*({_NAME})\.({_NAME})\)?(?:::[\w\". ]+\)?)+")


@dataclass(frozen=True)
class Place:
    """A column of a real table."""

    schema: str
    table: str
    column: str


@dataclass(frozen=True)
class Behind:
    """What is behind a view.

    ``columns`` has the real column of each that is one, ``casts`` the real column of each that is
    one in another type. ``deletes_from`` is schema and name of the table that a DELETE takes rows
    from: None where a trigger or a rule of the view decides, or nothing can be deleted. ``refusal``
    is why not, in PostgreSQL's words.
    """

    columns: Mapping[str, Place]
    casts: Mapping[str, Place]
    deletes_from: tuple[str, str] | None
    refusal: str | None


class Use(Enum):
    """What Run Manager does with a view: it is read, deleted from, or its rows are locked too."""

    READ = 1
    DELETE = 2
    LOCK = 3


def look_behind(connection: sa.Connection, view: sa.Table, use: Use) -> Behind:
    """What the planner says of ``view``, as far as its ``use`` makes that matter."""
    columns, casts = _read_columns(connection, view)
    if use is Use.READ or "thread_id" not in view.c:
        return Behind(columns, casts, None, None)
    if not _may_plan(connection, view, use):
        # Who may not delete is told which right is lacking. The table that the id is of will do.
        place = columns.get("thread_id")
        deletes_from = None if place is None else (place.schema, place.table)
        return Behind(columns, casts, deletes_from, None)
    key = view.c.thread_id
    try:
        if use is Use.LOCK:
            _explain(connection, sa.select(key).with_for_update())
        plans = _explain(connection, sa.delete(view).returning(key))
    except sa.exc.DBAPIError as error:
        return Behind(columns, casts, None, _refusal(error))
    return Behind(columns, casts, _target(plans, view), None)


def _may_plan(connection: sa.Connection, view: sa.Table, use: Use) -> bool:
    """Whether PostgreSQL would plan a deletion for this role; a standby plans none."""
    oid = view.info["oid"]
    found = connection.scalar(
        sa.select(
            sa.and_(
                ~sa.func.pg_is_in_recovery(),
                sa.func.has_table_privilege(oid, "DELETE"),
                sa.func.has_column_privilege(oid, "thread_id", "SELECT"),
                sa.func.has_any_column_privilege(oid, "UPDATE") if use is Use.LOCK else sa.true(),
            )
        )
    )
    return bool(found)


def _read_columns(
    connection: sa.Connection, view: sa.Table
) -> tuple[dict[str, Place], dict[str, Place]]:
    try:
        plans = _explain(connection, sa.select(*view.c))
    except sa.exc.DBAPIError:
        # What may not be read is said by who reads the role's rights.
        return {}, {}
    top = plans[0]["Plan"]
    places = {
        node["Alias"]: (node["Schema"], node["Relation Name"])
        for node in _nodes(top)
        if "Relation Name" in node
    }
    roots = _roots(connection, set(places.values()))
    found: tuple[dict[str, Place], dict[str, Place]] = ({}, {})
    for number, column in enumerate(view.c):
        for columns, pattern in zip(found, (_PLAIN, _CAST), strict=True):
            behind = {
                _place(output[number], pattern, places, roots)
                for output in _outputs(top)
                if number < len(output)
            }
            # Of a UNION each branch has its own: there is no one column behind it.
            place = behind.pop() if len(behind) == 1 else None
            if place is not None:
                columns[column.name] = place
    return found


def _outputs(plan: Mapping[str, Any]) -> Iterator[list[str]]:
    """What a plan puts out; of partitions, and of the branches of a UNION, each one's."""
    if "Output" in plan:
        yield plan["Output"]
    else:
        for child in plan.get("Plans", ()):
            yield from _outputs(child)


def _place(
    expression: str,
    pattern: re.Pattern[str],
    places: Mapping[str, tuple[str, str]],
    roots: Mapping[tuple[str, str], tuple[str, str]],
) -> Place | None:
    match = pattern.fullmatch(expression)
    place = places.get(_unquoted(match[1])) if match else None
    return Place(*roots.get(place, place), _unquoted(match[2])) if match and place else None


def _roots(
    connection: sa.Connection, places: set[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Schema and name of the partitioned table above each of these that is a partition."""
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relname", "relnamespace")))
    namespace = sa.table("pg_namespace", sa.column("oid"), sa.column("nspname"))
    root, its = relation.alias("root"), namespace.alias("root_namespace")
    rows = connection.execute(
        sa.select(namespace.c.nspname, relation.c.relname, its.c.nspname, root.c.relname)
        .select_from(relation)
        .join(namespace, namespace.c.oid == relation.c.relnamespace)
        .join(root, root.c.oid == sa.func.pg_partition_root(relation.c.oid))
        .join(its, its.c.oid == root.c.relnamespace)
        .where(sa.tuple_(namespace.c.nspname, relation.c.relname).in_(sorted(places)))
    )
    return {(schema, name): (of, root) for schema, name, of, root in rows}


def _target(plans: Any, view: sa.Table) -> tuple[str, str] | None:
    """The table that the plan deletes from, where it is one and not the view itself."""
    modifying = [plan["Plan"] for plan in plans if plan["Plan"]["Node Type"] == "ModifyTable"]
    if len(plans) != 1 or not modifying or modifying[0]["Operation"] != "Delete":
        return None
    place = (modifying[0].get("Schema"), modifying[0].get("Relation Name"))
    return None if place == (view.schema, view.name) or None in place else place


def _explain(connection: sa.Connection, statement: sa.Executable) -> Any:
    # Core has no EXPLAIN. The statement has no values: names, quoted by the dialect, are all of it.
    assert isinstance(statement, sa.ClauseElement)  # noqa: S101  every statement of Core's is one
    text = str(statement.compile(dialect=_DIALECT)).replace(":", r"\:")
    with connection.begin_nested():
        return connection.scalar(sa.text(f"EXPLAIN (VERBOSE, FORMAT JSON) {text}"))


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _refusal(error: sa.exc.DBAPIError) -> str:
    said = diagnostic(error)
    words = [said.message_primary, said.message_detail] if said else []
    reason = shorten(": ".join(filter(None, words)), 300).rstrip(".") or "it gives no reason"
    is_denied = sqlstate(error) == INSUFFICIENT_PRIVILEGE
    return f"a right is lacking behind it: {reason}" if is_denied else reason


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
