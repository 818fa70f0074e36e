"""Deleting runs with every trace: plan, execute, receipt.

A run's rows go in one transaction or stay: all or none. Runs go in batches under row locks taken in
one sorted order, so that two deletions never wait for each other in a circle. A batch that the
database refuses is taken apart until the run that it refuses stands alone.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.accounts import require_admin
from runmanager.database import (
    DEADLOCK_DETECTED,
    FOREIGN_KEY_VIOLATION,
    INSUFFICIENT_PRIVILEGE,
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    RESTRICT_VIOLATION,
    diagnostic,
    is_away,
    sqlstate,
    translate,
    utc,
)
from runmanager.errors import InvalidRequestError, NotAdminError, RunManagerError
from runmanager.filters import shorten
from runmanager.host import TraceTable, has_id
from runmanager.queries.footprint import footprints, ids_with_traces, left_behind, run_tables
from runmanager.records import (
    DeletedRun,
    DeletionPlan,
    FailedRun,
    Footprint,
    PlannedRun,
    Receipt,
    StatusKind,
    status_kind,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runmanager.database import Database
    from runmanager.host import Host
    from runmanager.records import Actor

MAX_RUNS = 10_000
# 200 runs of 111 rows hold their locks for about 0.1 s; 1,000 for half a second.
BATCH_SIZE = 200
# While a refused batch is taken apart, each part waits this long for a lock at the most.
SPLIT_LOCK_TIMEOUT_SECONDS = 0.5

NOT_FOUND = "Run not found"
STILL_RUNNING = "Run is still running"
STOPPED = "Not deleted: the deletion was stopped before this run."
LOCKED = "Another session is working on this run. Try again in a moment."
TOO_SLOW = "Deleting this run took too long and was undone. Try again, or at a quieter time."
KEPT = "The database kept this run (a trigger or a row policy), so nothing of it was deleted."
HAS_RERUNS = (
    "Runs that were started from this one would be deleted by the database with it, and their "
    "traces left over. Select those runs too."
)


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
            runs.append(PlannedRun(thread_id, None, None, None, is_orphan=True))
    going = [run.thread_id for run in runs]
    return DeletionPlan(
        runs=tuple(runs),
        excluded=tuple(excluded),
        missing=tuple(one for one in without_row if one not in orphans),
        include_running=include_running,
        tables=footprints(connection, run_tables(host), going),
        left_behind=left_behind(connection, host, going),
    )


def execute(
    database: Database,
    host: Host,
    actor: Actor,
    plan: DeletionPlan,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _failed: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Receipt:
    """Delete exactly what ``plan`` says, and account for every id of it.

    ``on_progress`` is told after each batch how many runs are done and how many of those failed;
    ``should_stop`` is asked before each batch. Nothing is raised for what the database refuses: it
    stands in the receipt, and what had gone by then stays gone.
    """
    return _Execution(database, host, actor, plan, on_progress, should_stop).run()


@dataclass
class _Outcome:
    deleted: dict[str, Counter[str]] = field(default_factory=dict)
    orphans: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, other: _Outcome) -> None:
        self.deleted |= other.deleted
        self.orphans |= other.orphans
        self.failed |= other.failed


class _RefusedError(Exception):
    """The database refused a statement on one table; ``cause`` is what it said."""

    def __init__(self, table: str, cause: Exception) -> None:
        self.table = table
        self.cause = cause
        super().__init__(table)


class _KeptRunsError(Exception):
    """Rows of ``run_metadata`` were still there after their DELETE."""


class _AbortedError(Exception):
    """No further batch can succeed, for the reason given."""


@dataclass
class _Execution:
    database: Database
    host: Host
    actor: Actor
    plan: DeletionPlan
    on_progress: Callable[[int, int], None]
    should_stop: Callable[[], bool]
    outcome: _Outcome = field(default_factory=_Outcome)
    was_stopped: bool = False

    def run(self) -> Receipt:
        started_at = datetime.now(UTC)
        clock = time.monotonic()
        self._all_batches(sorted(self.plan.thread_ids))
        self._retry_held_by_each_other()
        came_back = self._look_again()
        return self._receipt(started_at, time.monotonic() - clock, came_back)

    def _all_batches(self, thread_ids: list[str]) -> None:
        for start in range(0, len(thread_ids), BATCH_SIZE):
            batch = thread_ids[start : start + BATCH_SIZE]
            if self.should_stop():
                self.was_stopped = True
                self._fail_rest(thread_ids[start:], STOPPED)
                return
            try:
                self._batch_or_parts(batch)
            except _AbortedError as aborted:
                self._fail_rest(thread_ids[start:], str(aborted))
                return
            self.on_progress(min(start + BATCH_SIZE, len(thread_ids)), len(self.outcome.failed))

    def _batch_or_parts(self, batch: list[str], lock_timeout: float | None = None) -> None:
        """Delete ``batch``; where the database refuses, each half of it, down to single runs."""
        try:
            with self.database.write(lock_timeout=lock_timeout) as connection:
                outcome = self._delete_batch(connection, batch)
        except NotAdminError as error:
            raise _AbortedError(error.message) from None
        except (_RefusedError, _KeptRunsError, sa.exc.SQLAlchemyError) as error:
            self._stop_if_hopeless(error)
            if len(batch) == 1:
                self.outcome.failed[batch[0]] = _reason(error)
                return
            middle = len(batch) // 2
            self._batch_or_parts(batch[:middle], SPLIT_LOCK_TIMEOUT_SECONDS)
            self._batch_or_parts(batch[middle:], SPLIT_LOCK_TIMEOUT_SECONDS)
        else:
            for thread_id in outcome.deleted:
                self.outcome.failed.pop(thread_id, None)
            self.outcome.add(outcome)

    def _stop_if_hopeless(self, error: Exception) -> None:
        """Raises _AbortedError for what would meet every other batch just the same."""
        cause = error.cause if isinstance(error, _RefusedError) else error
        if is_away(cause) or isinstance(cause, sa.exc.TimeoutError):
            raise _AbortedError(
                f"{translate(cause).message} This run may be untouched or gone: look it up."
            ) from None
        if sqlstate(cause) == INSUFFICIENT_PRIVILEGE:
            table = f" from {error.table}" if isinstance(error, _RefusedError) else ""
            raise _AbortedError(
                f"The database role may not delete{table}. Grant it the privileges the README "
                "lists, then try again."
            ) from None

    def _delete_batch(self, connection: sa.Connection, batch: list[str]) -> _Outcome:
        """One transaction's work: lock, ask again, set apart, delete children first, count."""
        require_admin(connection, self.host, self.actor)
        outcome = _Outcome()
        locked = self._lock(connection, batch)
        for thread_id, status in locked.items():
            if status_kind(status) is StatusKind.RUNNING and not self.plan.include_running:
                outcome.failed[thread_id] = STILL_RUNNING
        going = [thread_id for thread_id in locked if thread_id not in outcome.failed]
        for thread_id in self._parents_of_others(connection, going):
            outcome.failed[thread_id] = HAS_RERUNS
        going = [thread_id for thread_id in going if thread_id not in outcome.failed]
        # An id without a run row may still have traces: those go too.
        without_row = [thread_id for thread_id in batch if thread_id not in locked]
        rows: dict[str, Counter[str]] = {thread_id: Counter() for thread_id in going}
        for trace in self.host.traces:
            for thread_id, count in _delete_rows(connection, trace, going + without_row).items():
                rows.setdefault(thread_id, Counter())[trace.name] += count
        self._delete_runs(connection, going, rows)
        outcome.deleted = rows
        outcome.orphans = {thread_id for thread_id in rows if thread_id not in locked}
        for thread_id in without_row:
            if thread_id not in rows:
                outcome.failed[thread_id] = NOT_FOUND
        return outcome

    def _lock(self, connection: sa.Connection, batch: list[str]) -> dict[str, str | None]:
        key = self.host.runs.c.thread_id
        statement = (
            sa.select(sa.cast(key, sa.Text), sa.cast(self.host.runs.c.status, sa.Text))
            .where(has_id(key, batch))
            .order_by(key)
            .with_for_update()
        )
        try:
            return dict(connection.execute(statement).tuples().all())
        except sa.exc.SQLAlchemyError as error:
            raise _RefusedError(self.host.runs.name, error) from error

    def _parents_of_others(self, connection: sa.Connection, going: list[str]) -> set[str]:
        """Those of ``going`` whose row the database would not delete alone."""
        if not self.host.cascades_to_reruns or not going:
            return set()
        runs = self.host.runs.c
        return set(
            connection.scalars(
                sa.select(sa.cast(runs.parent_thread_id, sa.Text)).where(
                    has_id(runs.parent_thread_id, going), ~has_id(runs.thread_id, going)
                )
            )
        )

    def _delete_runs(
        self, connection: sa.Connection, going: list[str], rows: dict[str, Counter[str]]
    ) -> None:
        runs = TraceTable(self.host.runs.name, self.host.runs, self.host.runs.c.thread_id)
        gone = _delete_rows(connection, runs, going)
        if len(gone) != len(going):
            raise _KeptRunsError
        for thread_id, count in gone.items():
            rows[thread_id][runs.name] += count

    def _retry_held_by_each_other(self) -> None:
        """Try again what another run of the same plan held, as long as that frees some."""
        if not self.host.refers_to_itself or self.was_stopped:
            return
        before = -1
        while len(self.outcome.deleted) != before:
            before = len(self.outcome.deleted)
            held = sorted(
                thread_id
                for thread_id, reason in self.outcome.failed.items()
                if reason == HAS_RERUNS or f"“{self.host.runs.name}”" in reason
            )
            if held:
                self._all_batches(held)

    def _look_again(self) -> tuple[Footprint, ...]:
        """Rows that a worker which was still writing has added to runs after they were deleted."""
        if not self.outcome.deleted:
            return ()
        try:
            with self.database.read() as connection:
                tables = run_tables(self.host)
                return _with_rows(footprints(connection, tables, list(self.outcome.deleted)))
        except RunManagerError:
            # The deletion is done and counted; that it cannot be looked at again changes nothing.
            return ()

    def _fail_rest(self, thread_ids: list[str], reason: str) -> None:
        for thread_id in thread_ids:
            if thread_id not in self.outcome.deleted:
                self.outcome.failed.setdefault(thread_id, reason)

    def _receipt(
        self, started_at: datetime, seconds: float, came_back: tuple[Footprint, ...]
    ) -> Receipt:
        titles = {run.thread_id: run.title for run in self.plan.runs}
        totals: Counter[str] = Counter()
        for counts in self.outcome.deleted.values():
            totals.update(counts)
        order = self.plan.thread_ids
        return Receipt(
            actor=self.actor,
            started_at=started_at,
            seconds=seconds,
            deleted=tuple(
                DeletedRun(
                    thread_id,
                    titles.get(thread_id, thread_id),
                    tuple(sorted(self.outcome.deleted[thread_id].items())),
                    was_orphan=thread_id in self.outcome.orphans,
                )
                for thread_id in order
                if thread_id in self.outcome.deleted
            ),
            failed=tuple(
                FailedRun(
                    thread_id, titles.get(thread_id, thread_id), self.outcome.failed[thread_id]
                )
                for thread_id in order
                if thread_id in self.outcome.failed
            ),
            tables=tuple((trace.name, totals[trace.name]) for trace in run_tables(self.host)),
            came_back=came_back,
            was_stopped=self.was_stopped,
        )


def _find_runs(
    connection: sa.Connection, host: Host, thread_ids: Sequence[str]
) -> dict[str, PlannedRun]:
    runs = host.runs.c
    rows = connection.execute(
        sa.select(
            sa.cast(runs.thread_id, sa.Text),
            sa.cast(runs.run_name, sa.Text),
            sa.cast(runs.status, sa.Text),
            runs.created_at,
        ).where(has_id(runs.thread_id, thread_ids))
    )
    found = (PlannedRun(*row) for row in rows)
    return {run.thread_id: replace(run, created_at=utc(run.created_at)) for run in found}


def _with_rows(tables: tuple[Footprint, ...]) -> tuple[Footprint, ...]:
    return tuple(table for table in tables if table.rows)


def _delete_rows(
    connection: sa.Connection, trace: TraceTable, thread_ids: list[str]
) -> dict[str, int]:
    """Delete the rows of ``thread_ids`` in one table; how many went, by thread_id."""
    if not thread_ids:
        return {}
    gone = (
        sa.delete(trace.table)
        .where(has_id(trace.key, thread_ids))
        .returning(sa.cast(trace.key, sa.Text).label("thread_id"))
        .cte("gone")
    )
    statement = sa.select(gone.c.thread_id, sa.func.count()).group_by(gone.c.thread_id)
    try:
        return dict(connection.execute(statement).tuples().all())
    except sa.exc.SQLAlchemyError as error:
        raise _RefusedError(trace.name, error) from error


def _reason(error: Exception) -> str:
    """Why one run could not be deleted, in plain words."""
    if isinstance(error, _KeptRunsError):
        return KEPT
    cause = error.cause if isinstance(error, _RefusedError) else error
    table = error.table if isinstance(error, _RefusedError) else "run_metadata"
    state = sqlstate(cause)
    said = diagnostic(cause)
    if state in {FOREIGN_KEY_VIOLATION, RESTRICT_VIOLATION} and said is not None:
        return (
            f"A row of “{table}” is still referenced from table “{said.table_name}” "
            f"(constraint “{said.constraint_name}”). Remove that reference, then delete again."
        )
    if state in {LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED}:
        return LOCKED
    if state == QUERY_CANCELED:
        return TOO_SLOW
    if said is not None and said.message_primary:
        return f"The database refused, at table “{table}”: {shorten(said.message_primary, 300)}"
    return translate(cause).message
