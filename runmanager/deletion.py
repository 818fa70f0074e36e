"""Deleting runs with every trace: plan, execute, receipt.

A run's rows go in one transaction or stay: all or none. Runs go in batches under row locks taken in
one sorted order, so that two deletions never wait for each other in a circle. A batch that the
database refuses is taken apart until the run that it refuses stands alone.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.accounts import require_admin
from runmanager.database import (
    DEADLOCK_DETECTED,
    FOREIGN_KEY_VIOLATION,
    INSUFFICIENT_PRIVILEGE,
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    READ_ONLY_SQL_TRANSACTION,
    RESTRICT_VIOLATION,
    SERIALIZATION_FAILURE,
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
from runmanager.queries.runs import or_none
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
    from collections.abc import Callable, Iterable, Sequence

    from runmanager.database import Database
    from runmanager.host import Host
    from runmanager.records import Actor

logger = logging.getLogger(__name__)

MAX_RUNS = 10_000
# 200 runs of 111 rows hold their locks for about 0.1 s; 1,000 for half a second.
BATCH_SIZE = 200
# While a refused batch is taken apart, each part waits this long for a lock at the most.
SPLIT_LOCK_TIMEOUT_SECONDS = 0.5

NOT_FOUND = "Run not found"
STILL_RUNNING = "Run is still running"
APPEARED = "This run has a row now that it had not when the plan was made. Look it over first."
STOPPED = "Not deleted: the deletion was stopped before this run."
UNEXPECTED = "Not deleted: Run Manager met an error of its own before this run; its log names it."
UNSURE = (
    "The connection was lost in the very moment of the commit: this run is wholly gone or wholly "
    "untouched. Look it up."
)
READ_ONLY = "Not deleted: the database accepts no changes (a standby, or in read-only mode)."
LOCKED = "Another session is working on this run. Try again in a moment."
TOO_SLOW = "Deleting this run took too long and was undone. Try again, or at a quieter time."
KEPT = (
    "The database kept rows of “{table}” (a trigger or a row policy), so nothing of this run was "
    "deleted."
)
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
        asked=asked,
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


class _KeptRowsError(Exception):
    """Rows of one table were still there after their DELETE."""

    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__(table)


class _AbortedError(Exception):
    """No further batch can succeed, or none is wanted, for the reason given."""


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

    @cached_property
    def planned_orphans(self) -> set[str]:
        return {run.thread_id for run in self.plan.runs if run.is_orphan}

    def run(self) -> Receipt:
        started_at = datetime.now(UTC)
        clock = time.monotonic()
        # A missing id was shown as such: whatever has it by now is not what was confirmed.
        self._fail(self.plan.missing, NOT_FOUND)
        self._all_batches(sorted(run.thread_id for run in self.plan.runs))
        self._retry_held_by_each_other()
        came_back = self._look_again()
        return self._receipt(started_at, time.monotonic() - clock, came_back)

    def _all_batches(self, thread_ids: list[str]) -> None:
        try:
            for start in range(0, len(thread_ids), BATCH_SIZE):
                self._stop_if_asked()
                self._batch_or_parts(thread_ids[start : start + BATCH_SIZE])
                self._tell_progress()
        except _AbortedError as aborted:
            self._fail(thread_ids, str(aborted))
            self._tell_progress()

    def _stop_if_asked(self) -> None:
        if self.should_stop():
            self.was_stopped = True
            raise _AbortedError(STOPPED)

    def _tell_progress(self) -> None:
        failed = len(self.outcome.failed)
        self.on_progress(len(self.outcome.deleted) + failed, failed)

    def _batch_or_parts(self, batch: list[str], lock_timeout: float | None = None) -> None:
        """Delete ``batch``; where the database refuses, each half of it, down to single runs."""
        outcome: _Outcome | None = None
        try:
            with self.database.write(lock_timeout=lock_timeout) as connection:
                outcome = self._delete_batch(connection, batch)
        except NotAdminError as error:
            raise _AbortedError(error.message) from None
        except (_RefusedError, _KeptRowsError, sa.exc.SQLAlchemyError) as error:
            if outcome is not None and is_away(error):
                self._fail(batch, UNSURE)
            self._stop_if_hopeless(error)
            is_first_try = lock_timeout is None
            if len(batch) == 1 and not (is_first_try and _may_pass(error)):
                self.outcome.failed[batch[0]] = _reason(error)
                return
            middle = len(batch) // 2
            for part in filter(None, (batch[:middle], batch[middle:])):
                self._stop_if_asked()
                self._batch_or_parts(part, SPLIT_LOCK_TIMEOUT_SECONDS)
        except Exception as error:  # noqa: BLE001  see below
            # What had gone by now must still reach the receipt.
            logger.error("A deletion met an error of its own: %s", type(error).__name__)  # noqa: TRY400  a traceback could carry values
            raise _AbortedError(UNEXPECTED) from None
        else:
            for thread_id in outcome.deleted:
                self.outcome.failed.pop(thread_id, None)
            self.outcome.add(outcome)

    def _stop_if_hopeless(self, error: Exception) -> None:
        """Raises _AbortedError for what would meet every other batch just the same."""
        cause = error.cause if isinstance(error, _RefusedError) else error
        if is_away(cause) or isinstance(cause, sa.exc.TimeoutError):
            raise _AbortedError(f"Not deleted. {translate(cause).message}") from None
        if sqlstate(cause) == READ_ONLY_SQL_TRANSACTION:
            raise _AbortedError(READ_ONLY) from None
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
            elif thread_id in self.planned_orphans:
                outcome.failed[thread_id] = APPEARED
        going = [thread_id for thread_id in locked if thread_id not in outcome.failed]
        apart = self._parents_of_others(connection, going)
        outcome.failed |= dict.fromkeys(apart, HAS_RERUNS)
        going = [thread_id for thread_id in going if thread_id not in apart]
        # An id without a run row may still have traces: those go too.
        without_row = [thread_id for thread_id in batch if thread_id not in locked]
        self._require_no_row(connection, without_row)
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
            sa.select(
                sa.cast(key, sa.Text).label("thread_id"),
                sa.cast(self.host.runs.c.status, sa.Text).label("status"),
            )
            .where(has_id(key, batch))
            .order_by(key)
            .with_for_update()
        )
        try:
            rows = connection.execute(statement).all()
        except sa.exc.SQLAlchemyError as error:
            raise _RefusedError(self.host.runs.name, error) from error
        return {row.thread_id: row.status for row in rows}

    def _require_no_row(self, connection: sa.Connection, thread_ids: list[str]) -> None:
        """Raises _KeptRowsError where a run's row is there but could not be locked.

        A row policy can let a role read a row and not lock it. Its traces must not go alone.
        """
        if not thread_ids:
            return
        runs = self.host.runs
        there = sa.select(sa.literal(1)).where(has_id(runs.c.thread_id, thread_ids))
        if connection.scalar(there.limit(1)) is not None:
            raise _KeptRowsError(runs.name)

    def _parents_of_others(self, connection: sa.Connection, going: list[str]) -> set[str]:
        """Those of ``going`` with whose row the database would delete one that is not going."""
        if not self.host.cascades or not going:
            return set()
        parents = self.host.runs
        reruns = parents.alias("reruns")
        pairs = connection.execute(
            sa.select(sa.cast(parents.c.thread_id, sa.Text), sa.cast(reruns.c.thread_id, sa.Text))
            .join(
                reruns,
                sa.or_(*(reruns.c[own] == parents.c[to] for own, to in self.host.cascades)),
            )
            .where(has_id(parents.c.thread_id, going))
        ).all()
        staying: set[str] = set()
        while True:
            # A parent set apart stays, so the one that it was itself started from stays as well.
            found = {
                parent
                for parent, rerun in pairs
                if parent not in staying and (rerun in staying or rerun not in going)
            }
            if not found:
                return staying
            staying |= found

    def _delete_runs(
        self, connection: sa.Connection, going: list[str], rows: dict[str, Counter[str]]
    ) -> None:
        runs = TraceTable(self.host.runs.name, self.host.runs, self.host.runs.c.thread_id)
        gone = _delete_rows(connection, runs, going)
        if gone.keys() != set(going):
            raise _KeptRowsError(runs.name)
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

    def _fail(self, thread_ids: Iterable[str], reason: str) -> None:
        """Account for those of ``thread_ids`` that nothing else accounts for."""
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
    return {
        run.thread_id: replace(run, name=or_none(run.name), created_at=utc(run.created_at))
        for run in found
    }


def _with_rows(tables: tuple[Footprint, ...]) -> tuple[Footprint, ...]:
    return tuple(table for table in tables if table.rows)


def _delete_rows(
    connection: sa.Connection, trace: TraceTable, thread_ids: list[str]
) -> dict[str, int]:
    """Delete the rows of ``thread_ids`` in one table; how many went, by thread_id.

    Raises _KeptRowsError when the database lets a row stay without a word: one statement counts
    what is there and what goes, on one snapshot.
    """
    if not thread_ids:
        return {}
    table = trace.table
    gone = sa.delete(table).where(trace.of(thread_ids)).returning(trace.thread_id.label("id"))
    there = sa.select(trace.thread_id.label("id"), sa.literal(0).label("gone"))
    both = sa.union_all(
        there.where(trace.of(thread_ids)),
        sa.select(gone.cte("gone").c.id, sa.literal(1)),
    ).subquery()
    went = sa.func.sum(both.c.gone)
    statement = sa.select(both.c.id, went, sa.func.count() - went).group_by(both.c.id)
    try:
        rows = connection.execute(statement).all()
    except sa.exc.SQLAlchemyError as error:
        raise _RefusedError(trace.name, error) from error
    if any(gone != there for _thread_id, gone, there in rows):
        raise _KeptRowsError(trace.name)
    return {thread_id: gone for thread_id, gone, _there in rows}


def _may_pass(error: Exception) -> bool:
    """Whether the same run may well be deleted at a second try: another session was in the way."""
    cause = error.cause if isinstance(error, _RefusedError) else error
    return isinstance(cause, _KeptRowsError) or sqlstate(cause) in {
        DEADLOCK_DETECTED,
        SERIALIZATION_FAILURE,
    }


def _reason(error: Exception) -> str:
    """Why one run could not be deleted, in plain words."""
    if isinstance(error, _KeptRowsError):
        return KEPT.format(table=error.table)
    cause = error.cause if isinstance(error, _RefusedError) else error
    table = error.table if isinstance(error, _RefusedError) else "run_metadata"
    state = sqlstate(cause)
    said = diagnostic(cause)
    if state in {FOREIGN_KEY_VIOLATION, RESTRICT_VIOLATION} and said is not None:
        return (
            f"A row of “{table}” is still referenced from table “{said.table_name}” "
            f"(constraint “{said.constraint_name}”). Remove that reference, then delete again."
        )
    if state in {LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, SERIALIZATION_FAILURE}:
        return LOCKED
    if state == QUERY_CANCELED:
        return TOO_SLOW
    if said is not None and said.message_primary:
        return f"The database refused, at table “{table}”: {shorten(said.message_primary, 300)}"
    return translate(cause).message
