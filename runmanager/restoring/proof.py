"""Looking at what is there of some runs: before their rows are put back, and afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa

from runmanager.archive.copy_lines import read_field
from runmanager.batches import RefusedError
from runmanager.database_copy import copy_out
from runmanager.host.ids import has_id
from runmanager.queries.run.belonging import Belonging
from runmanager.restoring.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runmanager.host.values import Host
    from runmanager.restoring.targets import Target


def find_existing(
    connection: sa.Connection,
    host: Host,
    targets: Iterable[Target],
    thread_ids: Sequence[str],
) -> dict[str, str]:
    """The runs that have a row somewhere, each with the table's name; the runs' own table first.

    Rows that hold no run's id hang on rows that do.
    """
    # A view and what is behind it are both asked: it may leave rows out.
    places = [
        (host.own.name, host.own.key),
        *((target.name, target.key) for target in targets),
        *(
            (trace.name, trace.key)
            for trace in host.traces
            if trace.name not in host.privileges.unreadable
        ),
    ]
    return _find(connection, places, thread_ids)


def find_elsewhere(
    connection: sa.Connection,
    host: Host,
    targets: Iterable[Target],
    thread_ids: Sequence[str],
) -> dict[str, str]:
    """The runs that have a row in a table which gets none back, each with the table's name."""
    filled = {oid for target in targets for oid in (target.oid, target.table.info["oid"])}
    places = [
        (trace.name, trace.key)
        for trace in (host.own, *host.traces)
        if trace.name not in host.privileges.unreadable
        and filled.isdisjoint({trace.table.info["oid"], trace.stored.info["oid"]})
    ]
    return _find(connection, places, thread_ids)


def _find(
    connection: sa.Connection,
    places: Iterable[tuple[str, sa.Column[Any] | None]],
    thread_ids: Sequence[str],
) -> dict[str, str]:
    asked: set[int] = set()
    found: dict[str, str] = {}
    for name, key in places:
        if key is None or key.table.info["oid"] in asked:
            continue
        asked.add(key.table.info["oid"])
        there = sa.select(sa.cast(key, sa.Text)).where(has_id(key, thread_ids)).distinct()
        for run in connection.scalars(there):
            found.setdefault(run, name)
    return found


def read_back(
    connection: sa.Connection, host: Host, targets: Iterable[Target], thread_ids: Sequence[str]
) -> Tally:
    """What the tables have of these runs now, as the archive would have written it."""
    tally = Tally()
    for target in targets:
        try:
            with copy_out(connection, _rows_of(host, target, thread_ids, target.columns)) as copy:
                for _counted in tally.add(target.name, _split(copy)):
                    pass
        except psycopg.Error as error:
            raise RefusedError(target.name, error) from error
    return tally


def furthest(
    host: Host, target: Target, thread_ids: Sequence[str], column: sa.Column[Any], *, is_down: bool
) -> sa.Select[tuple[Any]]:
    """The greatest value, or the least, of a column in the rows of these runs."""
    rows = _rows_of(host, target, thread_ids, [column]).subquery("rows")
    value = rows.c[1]
    return sa.select(sa.func.min(value) if is_down else sa.func.max(value))


def _rows_of(
    host: Host, target: Target, thread_ids: Sequence[str], columns: Sequence[sa.Column[Any]]
) -> sa.Select[Any]:
    """The rows of a table: whose each is, and some of its columns."""
    if target.key is not None and not target.has_links:
        run = sa.cast(target.key, sa.Text).label("run of the row")
        return sa.select(run, *columns).where(has_id(target.key, thread_ids))
    assert target.trace is not None  # noqa: S101  a target without a key has links
    places = Belonging(host, thread_ids).places(target.trace)
    there = target.table.alias("there")
    is_row = sa.and_(
        sa.literal_column("there.tableoid") == places.c.rel,
        sa.literal_column("there.ctid") == places.c.tid,
    )
    return sa.select(
        places.c.run.label("run of the row"), *(there.c[column.name] for column in columns)
    ).select_from(sa.join(places, there, is_row))


def _split(copy: Iterable[bytes | bytearray | memoryview]) -> Iterator[tuple[str, bytes]]:
    runs: dict[bytes, str] = {}
    for row in copy:
        field, _tab, line = bytes(row).partition(b"\t")
        run = runs.get(field)
        if run is None:
            run = runs[field] = read_field(field) or ""
        yield run, line
