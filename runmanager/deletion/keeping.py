"""What stays though runs go: rows that hold a run in place, and those whose reference is cleared.

The host's foreign keys decide. They are asked before anything is deleted, so that a plan knows what
the database would do.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.deletion.reasons import HAS_RERUNS, held_by, held_by_run
from runmanager.host.ids import has_id
from runmanager.host.values import Rule
from runmanager.queries.run.belonging import Belonging
from runmanager.records import KeptRows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from runmanager.host.values import Host, Link


def find_held(connection: sa.Connection, host: Host, thread_ids: Sequence[str]) -> dict[str, str]:
    """Why those of ``thread_ids`` stay that a row which is kept refers to, by id.

    A run whose rerun would be taken along stays too: the rerun's own traces would be left over.
    """
    holding = [
        link
        for link in host.links
        if link.rule is Rule.HOLDS and not host.is_of_runs(link.child) and may_look(host, link)
    ]
    kin = _read_kin(connection, host, thread_ids)
    going = list(thread_ids)
    held: dict[str, str] = {}
    while going:
        found = _held_by_kin(host, kin, going)
        if not found:
            found = _read_held(connection, host, holding, going)
        if not found:
            break
        held |= found
        going = [thread_id for thread_id in going if thread_id not in found]
    return held


def find_left_out(connection: sa.Connection, host: Host, thread_ids: Sequence[str]) -> set[str]:
    """Those of ``thread_ids`` that have a row behind the view of runs, which does not show it.

    Such a run is no orphan, whose traces may go alone. It is looked for where the role may read
    the table behind the view.
    """
    stored, key = host.own.stored, host.own.stored_key
    if not thread_ids or stored is host.runs or key is None:
        return set()
    may_read = sa.and_(
        sa.func.has_schema_privilege(str(stored.schema), "USAGE"),
        sa.func.has_column_privilege(stored.info["oid"], key.name, "SELECT"),
    )
    if not connection.scalar(sa.select(may_read)):
        return set()
    shown = sa.select(sa.cast(host.runs.c.thread_id, sa.Text)).where(host.own.of(thread_ids))
    rows = sa.select(sa.cast(key, sa.Text)).where(has_id(key, thread_ids))
    return set(connection.scalars(rows.except_(shown)))


def count_cleared(
    connection: sa.Connection,
    host: Host,
    thread_ids: Sequence[str],
    planned: Sequence[str] = (),
) -> Counter[tuple[str, str | None]]:
    """How many references to rows of ``thread_ids`` the database clears in rows that do not go.

    By table, and by the run of ``planned`` that the row with the reference will go with, if any.
    """
    links = [link for link in host.links if link.rule is Rule.CLEARS and may_look(host, link)]
    if not links or not thread_ids:
        return Counter()
    belonging, later = Belonging(host, thread_ids), Belonging(host, planned)
    parts = []
    for link in links:
        rows = belonging.keeps(link).subquery("kept")
        trace = host.nodes.get(link.child.info["oid"]) if planned else None
        owner: sa.ColumnElement[Any] = sa.null()
        found: sa.FromClause = rows
        if trace is not None:
            owners = later.owners(trace)
            is_same = (owners.c.rel == rows.c.rel) & (owners.c.tid == rows.c.tid)
            found, owner = sa.outerjoin(rows, owners, is_same), owners.c.run
        each = (
            sa.select(rows.c.rel, rows.c.tid, sa.func.min(sa.cast(owner, sa.Text)).label("owner"))
            .select_from(found)
            .group_by(rows.c.rel, rows.c.tid)
            .subquery("each")
        )
        parts.append(
            sa.select(sa.literal(host.name_of(link.child)), each.c.owner, sa.func.count())
            .select_from(each)
            .group_by(each.c.owner)
        )
    counted: Counter[tuple[str, str | None]] = Counter()
    for table, run, references in connection.execute(sa.union_all(*parts)):
        counted[table, run] += references
    return counted


def kept_rows(
    host: Host, counted: Mapping[tuple[str, str | None], int], gone: Collection[str] = ()
) -> tuple[KeptRows, ...]:
    """What ``count_cleared`` counted in rows that are kept, and what could not be looked into.

    What went with one of the runs that are ``gone`` is not kept.
    """
    kept: Counter[str] = Counter()
    for (table, run), references in counted.items():
        if run not in gone:
            kept[table] += references
    denied = {
        host.name_of(link.child): host.privileges.unreadable[host.name_of(link.child)]
        for link in host.links
        if link.rule is Rule.CLEARS and not may_look(host, link)
    }
    return (
        *(KeptRows(table, references) for table, references in sorted(kept.items())),
        *(KeptRows(table, None, sentence) for table, sentence in sorted(denied.items())),
    )


def may_look(host: Host, link: Link) -> bool:
    """Whether the role may read the table that refers by ``link``."""
    return host.name_of(link.child) not in host.privileges.unreadable


def _read_held(
    connection: sa.Connection, host: Host, links: Sequence[Link], thread_ids: Sequence[str]
) -> dict[str, str]:
    if not links:
        return {}
    belonging = Belonging(host, thread_ids)
    parts = []
    for number, link in enumerate(links):
        rows = belonging.keeps(link).subquery("kept")
        parts.append(sa.select(sa.literal(number).label("link"), rows.c.run).distinct())
    found: dict[str, str] = {}
    for number, run in connection.execute(sa.union_all(*parts).order_by("link")):
        found.setdefault(run, held_by(host, links[number]))
    return found


def _read_kin(
    connection: sa.Connection, host: Host, thread_ids: Sequence[str]
) -> list[tuple[str, str, Link]]:
    """The pairs of a run and another that refers to it, or to what goes with it."""
    links = [
        link for link in host.links if link.rule is not Rule.CLEARS and host.is_of_runs(link.child)
    ]
    if not links or not thread_ids:
        return []
    belonging = Belonging(host, thread_ids)
    parts = [
        sa.select(sa.literal(number).label("link"), *belonging.kin(link).subquery("kin").c)
        for number, link in enumerate(links)
    ]
    rows = connection.execute(sa.union_all(*parts))
    return [(row.run, row.other, links[row.link]) for row in rows]


def _held_by_kin(
    host: Host, kin: Sequence[tuple[str, str, Link]], going: Collection[str]
) -> dict[str, str]:
    going = set(going)
    found: dict[str, str] = {}
    while True:
        # A parent that stays keeps the one that it was itself started from.
        more = {
            run: HAS_RERUNS if link.rule is Rule.TAKES else held_by_run(host, link)
            for run, other, link in kin
            if run in going and run not in found and (other not in going or other in found)
        }
        if not more:
            return found
        found |= more
