"""What a deletion would do, counted and frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.clamped_times import utc
from runmanager.deletion.keeping import count_cleared, find_held, kept_rows, may_look
from runmanager.errors import InvalidRequestError
from runmanager.host.ids import has_id
from runmanager.host.values import Rule
from runmanager.queries.listing.summaries import or_none
from runmanager.queries.run.footprint import footprints, ids_with_traces, left_behind, run_tables
from runmanager.records import DeletionPlan, HeldRun, PlannedRun, StatusKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.host.values import Host

MAX_RUNS = 10_000


def plan_deletion(
    connection: sa.Connection, host: Host, thread_ids: Sequence[str], *, include_running: bool
) -> DeletionPlan:
    """What deleting ``thread_ids`` would do, counted exactly; it changes nothing.

    Ids asked for twice count once. Raises InvalidRequestError for none or more than 10,000.
    """
    asked = tuple(dict.fromkeys(thread_ids))
    if not asked:
        raise InvalidRequestError("No run is selected: select at least one.")
    if len(asked) > MAX_RUNS:
        raise InvalidRequestError(
            f"{len(asked):,} runs are too many for one deletion: select {MAX_RUNS:,} at the most."
        )
    found = _find_runs(connection, host, asked)
    without_row = [thread_id for thread_id in asked if thread_id not in found]
    orphans = ids_with_traces(connection, host, without_row)
    runs: list[PlannedRun] = []
    excluded: list[PlannedRun] = []
    for thread_id in asked:
        run = found.get(thread_id)
        if run is not None:
            (excluded if run.is_running and not include_running else runs).append(run)
        elif thread_id in orphans:
            runs.append(PlannedRun(thread_id, None, None, StatusKind.UNKNOWN, None, is_orphan=True))
    reasons = find_held(connection, host, [run.thread_id for run in runs])
    held = [run for run in runs if run.thread_id in reasons]
    runs = [run for run in runs if run.thread_id not in reasons]
    going = [run.thread_id for run in runs]
    return DeletionPlan(
        asked=asked,
        runs=tuple(runs),
        excluded=tuple(excluded),
        missing=tuple(one for one in without_row if one not in orphans),
        include_running=include_running,
        tables=footprints(connection, host, run_tables(host), going),
        left_behind=left_behind(connection, host, going),
        held=tuple(HeldRun(run, reasons[run.thread_id]) for run in held),
        kept=kept_rows(host, count_cleared(connection, host, going)) if going else (),
        unseen=_unseen(host),
        shape=host.shape,
    )


def _unseen(host: Host) -> tuple[str, ...]:
    """That a table may hold runs and cannot be looked at: the database would refuse those."""
    denied = {
        host.name_of(link.child): host.privileges.unreadable[host.name_of(link.child)]
        for link in host.links
        if link.rule is Rule.HOLDS and not may_look(host, link)
    }
    return tuple(
        f"Rows of “{table}” may hold runs, which would then stay. {sentence}"
        for table, sentence in sorted(denied.items())
    )


def _find_runs(
    connection: sa.Connection, host: Host, thread_ids: Sequence[str]
) -> dict[str, PlannedRun]:
    runs = host.runs.c
    rows = connection.execute(
        sa.select(
            sa.cast(runs.thread_id, sa.Text).label("thread_id"),
            sa.cast(runs.run_name, sa.Text).label("run_name"),
            sa.cast(runs.status, sa.Text).label("status"),
            runs.created_at,
        ).where(has_id(runs.thread_id, thread_ids))
    )
    known = host.conventions
    return {
        row.thread_id: PlannedRun(
            thread_id=row.thread_id,
            name=or_none(row.run_name),
            status=row.status,
            kind=known.statuses.kind(row.status),
            created_at=utc(row.created_at, known.zone),
        )
        for row in rows
    }
