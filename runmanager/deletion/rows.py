"""Deleting the rows of some runs in tables that go together, and counting them by run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.batches import KeptRowsError, RefusedError
from runmanager.deletion.forms import read_forms
from runmanager.deletion.leaving import archive_rows
from runmanager.deletion.statements import blamed, is_taken, part_name
from runmanager.queries.run.belonging import Belonging

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runmanager.archive.rows_file import RowsFile
    from runmanager.deletion.forms import Form
    from runmanager.host.values import Host, TraceTable


def delete_rows(
    connection: sa.Connection,
    host: Host,
    unit: Sequence[TraceTable],
    thread_ids: Sequence[str],
    into: RowsFile | None = None,
    forms: Mapping[str, Form] | None = None,
) -> list[tuple[str, str, int]]:
    """Delete the rows of ``thread_ids`` in the tables of ``unit``: table, thread_id, rows gone.

    One statement counts what is there and what goes, on one snapshot, in all of these tables: so
    rows that refer to each other in a circle go together. What the role may not delete itself is
    counted only; the database takes it along with what it refers to. Raises KeptRowsError when the
    database lets a row stay without a word.

    With ``into`` what goes is written into that file, in the form that ``forms`` say: those that
    ``read_forms`` gave in this transaction, in which ``archive_settings`` have been made.
    """
    if into is not None:
        if forms is None:
            forms = read_forms(connection, host)
        return archive_rows(connection, host, unit, thread_ids, into, forms)
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
        raise RefusedError(blamed(host, unit), error) from error
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
        gone = sa.select(*_labelled(trace, emptying.cte(part_name(host, trace)).c.run, 1))
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
            .cte(part_name(host, trace))
        )
        gone = sa.select(*_labelled(trace, places.c.run, 1)).select_from(
            sa.join(went, places, (went.c.rel == places.c.rel) & (went.c.tid == places.c.tid))
        )
    yield there
    yield sa.select(*_relabelled(there)) if is_taken(host, trace) else gone


def _labelled(trace: TraceTable, run: Any, gone: int) -> list[sa.Label[Any]]:
    return [
        sa.literal(trace.name).label("table"),
        run.label("run"),
        sa.literal(gone).label("gone"),
    ]


def _relabelled(there: sa.Select[Any]) -> list[Any]:
    rows = there.subquery("there")
    return [rows.c.table, rows.c.run, sa.literal(1).label("gone")]
