"""Runs that were picked by their ids: what they are like, and which of them a filter hides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.host.ids import has_id
from runmanager.queries.listing.conditions import not_hidden, select_by
from runmanager.queries.listing.order import newest_first
from runmanager.queries.listing.summaries import as_summary, select_summaries
from runmanager.queries.triage.question import asked_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.filters import RunFilter
    from runmanager.host.values import Reading
    from runmanager.records import RunSummary


def read_hidden(
    reading: Reading, run_filter: RunFilter, thread_ids: Sequence[str]
) -> tuple[str, ...]:
    """Those of ``thread_ids`` that ``run_filter`` does not show, or that are gone, in order."""
    runs = reading.host.runs
    selection = select_by(reading, run_filter)
    columns = dict.fromkeys([runs.c.thread_id, *asked_columns(selection)])
    # OFFSET 0 is a fence to the planner: the ids find the rows, and the filter is tried on those.
    picked = (
        sa.select(*columns).where(has_id(runs.c.thread_id, thread_ids)).offset(0).subquery("picked")
    )
    statement = sa.select(sa.cast(picked.c.thread_id, sa.Text)).where(*selection.on(picked))
    shown = set(reading.connection.scalars(statement))
    return tuple(one for one in thread_ids if one not in shown)


def read_summaries(reading: Reading, thread_ids: Sequence[str]) -> tuple[RunSummary, ...]:
    """The runs with these ids, newest first; an id that no run has is left out."""
    runs = reading.host.runs
    statement = select_summaries(reading.host, runs).where(
        has_id(runs.c.thread_id, thread_ids), *not_hidden(reading)
    )
    rows = reading.connection.execute(statement.order_by(*newest_first(runs)))
    return tuple(as_summary(reading.host, row) for row in rows)
