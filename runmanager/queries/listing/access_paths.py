"""Four access paths to some rows of the list; ``pages.py`` says which one when.

Each takes a selection and returns rows in the direction they were read in. What they cost is said
beside each, in rows visited: about a microsecond each where the table is in memory.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from runmanager.clamped_times import utc
from runmanager.host.ids import has_id
from runmanager.queries.listing.order import beyond, newest_first, segments
from runmanager.queries.listing.summaries import LISTED, select_summaries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runmanager.paging import RowKey
    from runmanager.queries.listing.conditions import Selection
    from runmanager.queries.listing.limits import SearchBudget
    from runmanager.queries.listing.order import Direction, Segment

# This many runs before an anchor are read to count those that share its time.
_TIES_SEEN = 200


@dataclass(frozen=True)
class Found:
    """Rows in the direction they were read in, and how many there are in all where that is known.

    ``resume`` is where a search stopped, None where it had no more to do; ``searched_to`` is the
    time of that place, None among the runs without a time. ``by_whole_id`` is a run further on
    whose whole thread_id was searched for.
    """

    rows: list[sa.Row[Any]]
    total: int | None = None
    resume: RowKey | None = None
    searched_to: datetime | None = None
    by_whole_id: sa.Row[Any] | None = None


def walk(
    selection: Selection,
    direction: Direction,
    size: int,
    after: RowKey | None = None,
) -> Found:
    """The first ``size`` rows behind ``after`` along the index on ``created_at``.

    Visits ``size`` rows where every run is selected, at any depth; where one in a thousand is, a
    thousand times as many.
    """
    rows: list[sa.Row[Any]] = []
    for segment, place in segments(selection.reading, direction, after):
        if len(rows) < size:
            further = [] if place is None else [segment.beyond(place)]
            rows += _read(selection, segment, further, size - len(rows))
    return Found(rows)


def jump(selection: Selection, direction: Direction, skip: int, size: int) -> Found:
    """``size`` rows after the first ``skip``.

    Visits ``skip`` entries of the index alone (0.03 microseconds each), then ``size`` rows: an
    OFFSET over the rows themselves would visit each of them, and sort the ties among them.
    """
    rows: list[sa.Row[Any]] = []
    for segment, _place in segments(selection.reading, direction):
        if len(rows) == size:
            break
        if not skip:
            rows += _read(selection, segment, [], size - len(rows))
            continue
        anchor = _anchor(selection, segment, skip)
        if anchor is None:
            # The segment ends earlier: the next one goes on counting.
            skip -= _count(selection, segment.members)
            continue
        place, ties = anchor
        from_there = [segment.beyond(place)]
        rows += _read(selection, segment, from_there, size, ties)
        skip = 0
    return Found(rows)


def gather(
    selection: Selection,
    direction: Direction,
    size: int,
    *,
    skip: int = 0,
    after: RowKey | None = None,
    at_most: int | None = None,
) -> Found:
    """``size`` rows after the first ``skip`` behind ``after``, and how many there are behind it.

    Neither where there are more than ``at_most``. MATERIALIZED keeps the planner from walking the
    index on ``created_at`` for a user who has 200 runs among ten million: it visits the selected
    runs, by whatever index finds them, and sorts them.
    """
    host, runs = selection.host, selection.host.runs
    found = (
        sa.select(runs.c.created_at, runs.c.thread_id)
        .where(
            *selection.where,
            *([] if after is None else [beyond(selection.reading, direction, after)]),
        )
        .limit(None if at_most is None else at_most + 1)
        .cte("found")
        .prefix_with("MATERIALIZED")
    )
    counted = sa.select(sa.func.count()).select_from(found).scalar_subquery()
    page = (
        sa.select(found.c.thread_id)
        .where(*([] if at_most is None else [counted <= at_most]))
        .order_by(*newest_first(found, direction))
        .limit(size)
        .offset(skip)
        .subquery("page")
    )
    chosen = (
        sa.select(*_listed(runs))
        .join(page, page.c.thread_id == runs.c.thread_id)
        .subquery("chosen")
    )
    total = sa.select(counted.label("total")).subquery("counted")
    # The count has a row even where the page has none.
    rows = selection.connection.execute(
        select_summaries(host, chosen)
        .add_columns(total.c.total)
        .select_from(total.outerjoin(chosen, sa.true()))
        .order_by(*newest_first(chosen, direction))
    ).all()
    if at_most is not None and rows[0].total > at_most:
        return Found([])
    return Found([row for row in rows if row.thread_id is not None], rows[0].total)


def search(
    selection: Selection,
    direction: Direction,
    size: int,
    budget: SearchBudget,
    after: RowKey | None = None,
) -> Found:
    """Up to ``size`` rows behind ``after``, searched for slice by slice within ``budget``.

    It stops part of the way, where a walk would look for a rare word through all runs.
    """
    began = time.monotonic()
    rows: list[sa.Row[Any]] = []
    length = budget.first
    for segment, start in segments(selection.reading, direction, after):
        place = start
        if not segment.is_dated:
            # No index has these in order: each slice sorts them all.
            length = max(length, budget.first * budget.growth)
        while True:
            slice_began = time.monotonic()
            rows += _read_slice(selection, segment, place, length, size - len(rows))
            if len(rows) >= size:
                return Found(rows)
            edge = _first_key(selection, segment, place, length)
            if edge is None:
                break
            place = segment.place(edge.text)
            now = time.monotonic()
            left = budget.seconds - (now - began)
            if left <= 0:
                zone = selection.host.conventions.zone
                searched_to = utc(edge.value, zone) if segment.is_dated else None
                return Found(rows, resume=place, searched_to=searched_to)
            rate = length / (now - slice_began)
            length = min(length * budget.growth, max(budget.first, int(rate * left)))
    return Found(rows)


def read_one(selection: Selection) -> sa.Row[Any] | None:
    """The selected run whose whole thread_id is what is searched for, None where there is none."""
    runs = selection.host.runs
    whole = has_id(runs.c.thread_id, [selection.search])
    statement = select_summaries(selection.host, runs).where(whole, *selection.where)
    return selection.connection.execute(statement.limit(1)).one_or_none()


def _read(
    selection: Selection,
    segment: Segment,
    further: Sequence[sa.ColumnElement[bool]],
    size: int,
    skip: int = 0,
) -> list[sa.Row[Any]]:
    runs = selection.host.runs
    chosen = (
        sa.select(*_listed(runs))
        .where(segment.members, *further, *selection.where)
        .order_by(*segment.order())
        .limit(size)
        .offset(skip or None)
        .subquery("chosen")
    )
    # The names are looked up for the rows of the page only, which stay in their order.
    statement = select_summaries(selection.host, chosen).order_by(*segment.order(chosen))
    return list(selection.connection.execute(statement))


def _read_slice(
    selection: Selection,
    segment: Segment,
    place: RowKey | None,
    length: int,
    size: int,
) -> list[sa.Row[Any]]:
    """Up to ``size`` rows among the first ``length`` of the segment behind ``place``."""
    needed = dict.fromkeys([*_listed(selection.host.runs), *_asked(selection)])
    # WITH TIES: a slice ends between two times, never among runs of the same one.
    slice_of_runs = (
        _slice(sa.select(*needed), segment, place).fetch(length, with_ties=True).subquery("slice")
    )
    chosen = (
        sa.select(*_listed(slice_of_runs))
        .where(*selection.on(slice_of_runs))
        .order_by(*segment.order(slice_of_runs))
        .limit(size)
        .subquery("chosen")
    )
    statement = select_summaries(selection.host, chosen).order_by(*segment.order(chosen))
    return list(selection.connection.execute(statement))


def _listed(rows: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    """The columns that the list shows, and no other: one of those may be dropped meanwhile."""
    return [rows.c[name] for name in LISTED]


def _asked(selection: Selection) -> list[sa.Column[Any]]:
    """The columns of ``run_metadata`` that the selection's conditions look at."""
    return [
        element
        for condition in selection.where
        for element in visitors.iterate(condition)
        if isinstance(element, sa.Column) and element.table is selection.host.runs
    ]


def _first_key(
    selection: Selection, segment: Segment, place: RowKey | None, number: int
) -> sa.Row[Any] | None:
    """The first key of the row ``number`` (from 1) behind ``place``, None where there is none."""
    # The index alone has it.
    keys = _slice(sa.select(_first(segment)), segment, place)
    return selection.connection.execute(_printed(keys.offset(number - 1).limit(1))).one_or_none()


def _anchor(selection: Selection, segment: Segment, skip: int) -> tuple[RowKey, int] | None:
    """The place of the segment's row after the first ``skip``, and how many of its ties are before.

    None where the segment has no such row.
    """
    seen = min(skip, _TIES_SEEN)
    keys = _slice(sa.select(_first(segment)), segment, None).where(*selection.where)
    rows = selection.connection.execute(_printed(keys.offset(skip - seen).limit(seen + 1))).all()
    if len(rows) <= seen:
        return None
    texts = [row.text for row in rows]
    ties = texts.count(texts[-1]) - 1
    place = segment.place(texts[-1], is_included=True)
    if ties == seen < skip:
        before = sa.not_(segment.beyond(place))
        ties = skip - _count(selection, sa.and_(segment.members, before))
    return place, ties


def _first(segment: Segment) -> sa.ColumnElement[Any]:
    runs = segment.reading.host.runs.c
    return (runs.created_at if segment.is_dated else runs.thread_id).label("value")


def _printed(keys: sa.Select[Any]) -> sa.Select[Any]:
    """The rows of ``keys``, each also as text: printed after the OFFSET, not for all before it."""
    inner = keys.subquery("keys")
    return sa.select(inner.c.value, sa.cast(inner.c.value, sa.Text).label("text"))


def _slice(statement: sa.Select[Any], segment: Segment, place: RowKey | None) -> sa.Select[Any]:
    further = [] if place is None else [segment.beyond(place)]
    return statement.where(segment.members, *further).order_by(segment.first_order())


def _count(selection: Selection, members: sa.ColumnElement[bool]) -> int:
    statement = sa.select(sa.func.count()).select_from(selection.host.runs)
    return selection.connection.scalar(statement.where(members, *selection.where)) or 0
