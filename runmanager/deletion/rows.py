"""Deleting the rows of some runs in tables that go together, and counting them by run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.batches import KeptRowsError, RefusedError
from runmanager.queries.run.belonging import Belonging

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runmanager.host.values import Host, TraceTable


def delete_rows(
    connection: sa.Connection, host: Host, unit: Sequence[TraceTable], thread_ids: Sequence[str]
) -> list[tuple[str, str, int]]:
    """Delete the rows of ``thread_ids`` in the tables of ``unit``: table, thread_id, rows gone.

    One statement counts what is there and what goes, on one snapshot, in all of these tables: so
    rows that refer to each other in a circle go together. What the role may not delete itself is
    counted only; the database takes it along with what it refers to. Raises KeptRowsError when the
    database lets a row stay without a word.
    """
    belonging = Belonging(host, thread_ids)
    parts = [part for trace in unit for part in _parts(host, belonging, trace)]
    both = sa.union_all(*parts).subquery("both")
    went = sa.func.sum(both.c.gone)
    statement = sa.select(both.c.table, both.c.run, went, sa.func.count() - went).group_by(
        both.c.table, both.c.run
    )
    try:
        rows = connection.execute(statement).all()
    except sa.exc.SQLAlchemyError as error:
        raise RefusedError(_blamed(host, unit), error) from error
    for table, _run, gone, there in rows:
        if gone != there:
            raise KeptRowsError(table)
    return [(table, run, gone) for table, run, gone, _there in rows]


def _parts(host: Host, belonging: Belonging, trace: TraceTable) -> Iterator[sa.Select[Any]]:
    """What is there, and what goes, each row once: ``table``, ``run`` and ``gone``, 0 or 1."""
    if not trace.links:
        held = belonging.held(trace)
        there = sa.select(*_labelled(trace, trace.thread_id, 0)).where(held)
        emptying = sa.delete(trace.table).where(held).returning(trace.thread_id.label("run"))
        gone = sa.select(*_labelled(trace, emptying.cte(_name(host, trace)).c.run, 1))
    else:
        places = belonging.places(trace)
        there = sa.select(*_labelled(trace, places.c.run, 0))
        place = sa.tuple_(sa.literal_column("tableoid"), sa.literal_column("ctid"))
        went = (
            sa.delete(trace.stored)
            .where(place.in_(sa.select(places.c.rel, places.c.tid)))
            .returning(
                sa.literal_column("tableoid").label("rel"), sa.literal_column("ctid").label("tid")
            )
            .cte(_name(host, trace))
        )
        gone = sa.select(*_labelled(trace, places.c.run, 1)).select_from(
            sa.join(went, places, (went.c.rel == places.c.rel) & (went.c.tid == places.c.tid))
        )
    yield there
    yield sa.select(*_relabelled(there)) if _is_taken(host, trace) else gone


def _labelled(trace: TraceTable, run: Any, gone: int) -> list[sa.Label[Any]]:
    return [
        sa.literal(trace.name).label("table"),
        run.label("run"),
        sa.literal(gone).label("gone"),
    ]


def _relabelled(there: sa.Select[Any]) -> list[Any]:
    rows = there.subquery("there")
    return [rows.c.table, rows.c.run, sa.literal(1).label("gone")]


def _is_taken(host: Host, trace: TraceTable) -> bool:
    return trace.name in host.privileges.undeletable and trace is not host.own


def _name(host: Host, trace: TraceTable) -> str:
    return f"gone_{[host.own, *host.traces].index(trace)}"


def _blamed(host: Host, unit: Sequence[TraceTable]) -> str:
    return host.own.name if host.own in unit else unit[0].name
