"""What a deletion would do, counted and frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runmanager.deletion.keeping import (
    count_cleared,
    find_held,
    find_left_out,
    kept_rows,
    may_look,
)
from runmanager.deletion.reasons import LEFT_OUT
from runmanager.errors import InvalidRequestError
from runmanager.host.ids import has_id
from runmanager.host.values import Rule
from runmanager.queries.listing.summaries import as_summary, select_summaries
from runmanager.queries.run.footprint import footprints, ids_with_traces, left_behind, run_tables
from runmanager.records import DeletionPlan, HeldRun, PlannedRun, StatusKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

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
    left_out = find_left_out(connection, host, [run.thread_id for run in runs if run.is_orphan])
    reasons = dict.fromkeys(left_out, LEFT_OUT)
    reasons |= find_held(
        connection, host, [run.thread_id for run in runs if run.thread_id not in left_out]
    )
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
    """What cannot be known beforehand, of tables that may not be read, and of triggers' deeds."""
    denied = {
        host.name_of(link.child): host.privileges.unreadable[host.name_of(link.child)]
        for link in host.links
        if link.rule is Rule.HOLDS and not may_look(host, link)
    }
    return (
        *(
            f"Rows of “{table}” may hold runs, which would then stay. {sentence}"
            for table, sentence in sorted(denied.items())
        ),
        *(
            f"A trigger or rule of the view “{trace.name}” decides what becomes of its rows, and "
            "may delete more than is counted here. What goes is counted then."
            for trace in run_tables(host)
            if trace.stored.info["kind"] == "v"
        ),
    )


def _find_runs(
    connection: sa.Connection, host: Host, thread_ids: Sequence[str]
) -> dict[str, PlannedRun]:
    rows = connection.execute(
        select_summaries(host, host.runs).where(has_id(host.runs.c.thread_id, thread_ids))
    )
    found = (as_summary(host, row) for row in rows)
    return {
        run.thread_id: PlannedRun(
            thread_id=run.thread_id,
            name=run.name,
            status=run.status,
            kind=run.kind,
            created_at=run.created_at,
            user=run.user,
            workspace=run.workspace,
        )
        for run in found
    }
