"""A second try at what failed: of the runs that were confirmed, and no others with their ids."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runmanager.archive.ids import read_ids
from runmanager.deletion.plan import find_runs, plan_deletion
from runmanager.deletion.reasons import APPEARED, replaced
from runmanager.deletion.spec import DeletionSpec
from runmanager.errors import OperationStateError
from runmanager.queries.run.footprint import ids_with_traces
from runmanager.records import FrozenRun, HeldRun, PlannedRun, StatusKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa

    from runmanager.folders import Folder
    from runmanager.host.values import Host
    from runmanager.records import DeletionPlan


def confirmed_of(folder: Folder, thread_ids: Sequence[str]) -> dict[str, FrozenRun]:
    """Which run each of these was when a deletion of it was confirmed; none for one without rows.

    Raises FileMissingError where the operation's files are gone.
    """
    wanted = set(thread_ids)
    confirmed = {run.thread_id: run for run in read_ids(folder) if run.thread_id in wanted}
    spec = DeletionSpec.read(folder)
    held = zip(spec.held, spec.held_stamps, strict=False)
    return confirmed | {
        run.thread_id: FrozenRun(run.thread_id, stamp, run.title)
        for run, stamp in held
        if run.thread_id in wanted
    }


def plan_retry(
    connection: sa.Connection,
    host: Host,
    failed: Sequence[str],
    confirmed: Mapping[str, FrozenRun],
    *,
    include_running: bool,
    active_minutes: float,
) -> DeletionPlan:
    """The plan of a second try at ``failed``, in one snapshot with what tells the runs apart.

    Those that are not what was ``confirmed`` stand in its ``unconfirmed``, and stay. Raises
    OperationStateError where that is all of them.
    """
    others = _others(connection, host, failed, confirmed)
    same = [thread_id for thread_id in failed if thread_id not in others]
    if not same:
        raise OperationStateError(
            "None of the runs that failed is the one that was confirmed: others have their ids by "
            "now. Look them over, and plan anew."
        )
    plan = plan_deletion(
        connection, host, same, include_running=include_running, active_minutes=active_minutes
    )
    return replace(plan, unconfirmed=tuple(others.values()))


def _others(
    connection: sa.Connection, host: Host, failed: Sequence[str], confirmed: Mapping[str, FrozenRun]
) -> dict[str, HeldRun]:
    """Those that are other runs by now, or have rows that they had not, each with the reason."""
    found = find_runs(connection, host, failed)
    others: dict[str, HeldRun] = {}
    for thread_id, run in found.items():
        before = confirmed.get(thread_id)
        if before is None or before.is_orphan:
            others[thread_id] = HeldRun(run, APPEARED)
        elif before.stamp != run.stamp:
            others[thread_id] = HeldRun(run, replaced(run.stamp))
    had_nothing = [one for one in failed if one not in found and one not in confirmed]
    for thread_id in sorted(ids_with_traces(connection, host, had_nothing)):
        traces = PlannedRun(thread_id, None, None, StatusKind.UNKNOWN, None, is_orphan=True)
        others[thread_id] = HeldRun(traces, APPEARED)
    return others
