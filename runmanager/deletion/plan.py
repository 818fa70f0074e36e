"""What a deletion would do, counted and frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runmanager.database import stopped_after
from runmanager.deletion.keeping import (
    count_cleared,
    find_held,
    find_left_out,
    kept_rows,
    may_look,
)
from runmanager.deletion.reasons import ACTIVE_UNSEEN, LEFT_OUT
from runmanager.errors import (
    DatabaseAwayError,
    DatabaseError,
    InvalidRequestError,
    SchemaChangedError,
)
from runmanager.host.ids import has_id
from runmanager.host.values import Rule
from runmanager.queries.listing.summaries import as_summary, select_summaries
from runmanager.queries.run.activity import active_since, find_active, unseen_activity
from runmanager.queries.run.footprint import footprints, ids_with_traces, left_behind, run_tables
from runmanager.records import DeletionPlan, HeldRun, PlannedRun, StatusKind
from runmanager.text import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from runmanager.host.values import Host

MAX_RUNS = 10_000
ACTIVE_SECONDS = 2.0


def plan_deletion(
    connection: sa.Connection,
    host: Host,
    thread_ids: Sequence[str],
    *,
    include_running: bool,
    active_minutes: float = 0.0,
) -> DeletionPlan:
    """What deleting ``thread_ids`` would do, counted exactly; it changes nothing.

    Unless running ones are included, runs that have written within the last ``active_minutes`` (0
    for none) stay as those do. Ids asked for twice count once. Raises InvalidRequestError for none
    or more than 10,000.
    """
    asked = tuple(dict.fromkeys(thread_ids))
    if not asked:
        raise InvalidRequestError("No run is selected: select at least one.")
    if len(asked) > MAX_RUNS:
        raise InvalidRequestError(
            f"{len(asked):,} runs are too many for one deletion: select {MAX_RUNS:,} at the most."
        )
    return plan_runs(
        connection, host, asked, include_running=include_running, active_minutes=active_minutes
    )


def plan_runs(
    connection: sa.Connection,
    host: Host,
    asked: tuple[str, ...],
    *,
    include_running: bool,
    active_minutes: float,
) -> DeletionPlan:
    """``plan_deletion`` of ids that are as they should be: each once, and not too many."""
    found = find_runs(connection, host, asked)
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
    # What is included although it runs may be active as well.
    minutes = 0.0 if include_running else active_minutes
    found_active = _find_active(connection, host, [run.thread_id for run in runs], minutes)
    writing = found_active or set()
    active = tuple(run for run in runs if run.thread_id in writing)
    runs = [run for run in runs if run.thread_id not in writing]
    reasons = _reasons(connection, host, runs)
    held = [run for run in runs if run.thread_id in reasons]
    runs = [run for run in runs if run.thread_id not in reasons]
    going = [run.thread_id for run in runs]
    return DeletionPlan(
        asked=asked,
        runs=tuple(runs),
        excluded=tuple(excluded),
        active=active,
        missing=tuple(one for one in without_row if one not in orphans),
        include_running=include_running,
        tables=footprints(connection, host, run_tables(host), going),
        left_behind=left_behind(connection, host, going),
        held=tuple(HeldRun(run, reasons[run.thread_id]) for run in held),
        kept=kept_rows(host, count_cleared(connection, host, going)) if going else (),
        unseen=(
            *unseen_of(host),
            *(unseen_activity(host) if minutes else ()),
            *((ACTIVE_UNSEEN,) if found_active is None else ()),
        ),
        shape=host.shape,
        looks_on=found_active is None,
    )


def require_reason(runs: int, reason: str | None, above: int | None) -> None:
    """Raises InvalidRequestError where a plan of so many runs needs a reason and has none.

    ``above`` is the settings' number of runs above which one is needed, None for never.
    """
    if above is not None and runs > above and not (reason or "").strip():
        raise InvalidRequestError(
            f"Deleting more than {count(above, 'run')} needs a reason here, and this plan has "
            f"{runs:,}: say why, then start it again."
        )


def _find_active(
    connection: sa.Connection, host: Host, thread_ids: Sequence[str], minutes: float
) -> set[str] | None:
    """The runs that have written within so many minutes; None where they are not found in time."""
    if not minutes or not thread_ids:
        return set()
    since = active_since(connection, minutes)
    try:
        with stopped_after(connection, ACTIVE_SECONDS):
            return find_active(connection, host, thread_ids, since)
    except (DatabaseAwayError, SchemaChangedError):
        raise
    except DatabaseError:
        return None


def _reasons(connection: sa.Connection, host: Host, runs: Sequence[PlannedRun]) -> dict[str, str]:
    """Why those of ``runs`` stay that the host's views or foreign keys hold, by id."""
    left_out = find_left_out(connection, host, [run.thread_id for run in runs if run.is_orphan])
    others = [run.thread_id for run in runs if run.thread_id not in left_out]
    return dict.fromkeys(left_out, LEFT_OUT) | find_held(connection, host, others)


def unseen_of(host: Host) -> tuple[str, ...]:
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


def find_runs(
    connection: sa.Connection, host: Host, thread_ids: Sequence[str]
) -> dict[str, PlannedRun]:
    """Those of the runs that have a row, by id."""
    rows = connection.execute(
        select_summaries(host, host.runs).where(has_id(host.runs.c.thread_id, thread_ids))
    )
    found = ((as_summary(host, row), row.printed_time) for row in rows)
    return {
        run.thread_id: PlannedRun(
            thread_id=run.thread_id,
            name=run.name,
            status=run.status,
            kind=run.kind,
            created_at=run.created_at,
            user=run.user,
            workspace=run.workspace,
            stamp=stamp,
        )
        for run, stamp in found
    }
