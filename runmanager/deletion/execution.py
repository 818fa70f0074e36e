"""Carrying out a plan: its batches, what is tried again, and the receipt."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runmanager.batches import Batches
from runmanager.deletion.batch import DeletedRows, DeletionStep
from runmanager.deletion.keeping import kept_rows
from runmanager.deletion.kind import DELETION
from runmanager.deletion.reasons import NOT_FOUND
from runmanager.errors import RunManagerError
from runmanager.queries.run.footprint import footprints, run_tables
from runmanager.records import DeletionReceipt, DoneRun, FailedRun, Footprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runmanager.database import Database
    from runmanager.host.values import Host
    from runmanager.records import Actor, DeletionPlan, OperationKind


@dataclass(frozen=True)
class Deletion:
    """A deletion as an operation carries it out. ``on_deleted`` is told the ids of each commit."""

    plan: DeletionPlan
    on_deleted: Callable[[Iterable[str]], None] = lambda _thread_ids: None

    @property
    def kind(self) -> OperationKind:
        """That it deletes."""
        return DELETION

    @property
    def thread_ids(self) -> tuple[str, ...]:
        """Every id that the receipt accounts for."""
        return self.plan.thread_ids

    def audit_details(self) -> dict[str, Any]:
        """What the audit log says of the plan."""
        return {
            "asked": self.plan.asked,
            "include_running": self.plan.include_running,
            "left_out": [run.thread_id for run in self.plan.excluded],
            "held": [run.thread_id for run in self.plan.held],
            "left_behind": {one.table: one.rows for one in self.plan.left_behind},
            "unknown_statuses": [
                {"status": one.status, "runs": one.runs} for one in self.plan.unknown_statuses
            ],
        }

    def carry_out(
        self,
        database: Database,
        host: Host,
        actor: Actor,
        *,
        on_progress: Callable[[int, int], None] = lambda _done, _failed: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> DeletionReceipt:
        """Delete exactly what the plan says, and account for every id of it.

        ``on_progress`` and ``should_stop`` are those of Batches. Nothing is raised for what the
        database refuses: it stands in the receipt, and what had gone by then stays gone.
        """
        started_at = datetime.now(UTC)
        clock = time.monotonic()
        batches = Batches(
            database,
            DeletionStep(host, actor, self.plan),
            DeletedRows(),
            on_progress,
            should_stop,
            self.on_deleted,
        )
        # The plan showed these ids as missing. A run that has one by now was not confirmed.
        batches.fail(self.plan.missing, NOT_FOUND)
        for run in self.plan.held:
            batches.fail([run.thread_id], run.reason)
        batches.run(sorted(run.thread_id for run in self.plan.runs))
        _retry_held_by_each_other(batches, host)
        came_back = _look_again(database, host, batches.outcome)
        return _receipt(
            self.plan,
            actor,
            host,
            batches,
            started_at=started_at,
            seconds=time.monotonic() - clock,
            came_back=came_back,
        )


def _retry_held_by_each_other(batches: Batches[DeletedRows], host: Host) -> None:
    """Try again what another run of the same plan held, as long as that frees some."""
    if batches.was_stopped:
        return
    own = f"“{host.own.name}”"
    before = -1
    while len(batches.outcome.done) != before:
        before = len(batches.outcome.done)
        held = sorted(
            thread_id
            for thread_id, reason in batches.outcome.failed.items()
            if thread_id in batches.outcome.held or (host.refers_to_itself and own in reason)
        )
        if held:
            batches.run(held)


def _look_again(
    database: Database, host: Host, outcome: DeletedRows
) -> tuple[Footprint, ...] | None:
    """Rows that a worker which was still writing has added to runs after they were deleted.

    None where the database did not let us look.
    """
    if not outcome.done:
        return ()
    # What is found by foreign keys went with what it referred to.
    by_id = [trace for trace in run_tables(host) if not trace.links]
    try:
        with database.read() as connection:
            found = footprints(connection, host, by_id, list(outcome.done))
    except RunManagerError:
        # The deletion is done and counted; that it cannot be looked at again changes nothing.
        return None
    return tuple(table for table in found if table.rows)


def _receipt(
    plan: DeletionPlan,
    actor: Actor,
    host: Host,
    batches: Batches[DeletedRows],
    *,
    started_at: datetime,
    seconds: float,
    came_back: tuple[Footprint, ...] | None,
) -> DeletionReceipt:
    outcome = batches.outcome
    planned = (*plan.runs, *(held.run for held in plan.held))
    titles = {run.thread_id: run.title for run in planned}
    totals: Counter[str] = Counter()
    for counts in outcome.done.values():
        totals.update(counts)
    return DeletionReceipt(
        kind=DELETION,
        actor=actor,
        started_at=started_at,
        seconds=seconds,
        done=tuple(
            DoneRun(
                thread_id,
                titles.get(thread_id, thread_id),
                tuple(sorted(outcome.done[thread_id].items())),
                was_orphan=thread_id in outcome.orphans,
            )
            for thread_id in plan.thread_ids
            if thread_id in outcome.done
        ),
        failed=tuple(
            FailedRun(thread_id, titles.get(thread_id, thread_id), outcome.failed[thread_id])
            for thread_id in plan.thread_ids
            if thread_id in outcome.failed
        ),
        tables=tuple((trace.name, totals[trace.name]) for trace in run_tables(host)),
        kept=kept_rows(host, outcome.cleared, outcome.done) if outcome.done else (),
        also_gone=tuple(sorted(outcome.also_gone.items())),
        came_back=came_back,
        was_stopped=batches.was_stopped,
    )
