"""Carrying out a plan: batch by batch, with an account of every run.

A run's rows go in one transaction or stay: all or none. Runs go in batches under row locks taken in
one sorted order, so that two deletions never wait for each other in a circle. A batch that the
database refuses is taken apart until the run that it refuses stands alone.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.database import (
    INSUFFICIENT_PRIVILEGE,
    READ_ONLY_SQL_TRANSACTION,
    is_away,
    sqlstate,
    translate,
)
from runmanager.deletion.batch import BatchDeletion, Outcome
from runmanager.deletion.reasons import (
    HAS_RERUNS,
    NOT_FOUND,
    READ_ONLY,
    STOPPED,
    UNEXPECTED,
    UNSURE,
    AbortedError,
    KeptRowsError,
    RefusedError,
    may_pass,
    reason_for,
)
from runmanager.errors import NotAdminError, RunManagerError
from runmanager.queries.footprint import footprints, run_tables
from runmanager.records import DeletedRun, DeletionPlan, FailedRun, Footprint, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runmanager.database import Database
    from runmanager.host import Host
    from runmanager.records import Actor

logger = logging.getLogger(__name__)

# Whoever wants a row of a batch waits for all of it: it has as many runs as go in this time.
LOCKED_SECONDS = 0.08
# A run has some rows, or thousands: nobody knows before the first batch.
FIRST_BATCH_SIZE = 50
# More in one statement are hardly faster.
BATCH_SIZE = 200
# While a refused batch is taken apart, each part waits this long for a lock at the most.
SPLIT_LOCK_TIMEOUT_SECONDS = 0.5


def execute(
    database: Database,
    host: Host,
    actor: Actor,
    plan: DeletionPlan,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _failed: None,
    should_stop: Callable[[], bool] = lambda: False,
    on_deleted: Callable[[Iterable[str]], None] = lambda _thread_ids: None,
) -> Receipt:
    """Delete exactly what ``plan`` says, and account for every id of it.

    ``on_progress`` is told after each batch how many runs are done and how many of those failed;
    ``should_stop`` is asked before each batch; ``on_deleted`` is told the ids of the runs that each
    commit took away. Nothing is raised for what the database refuses: it stands in the receipt, and
    what had gone by then stays gone.
    """
    return _Execution(database, host, actor, plan, on_progress, should_stop, on_deleted).run()


@dataclass
class _Execution:
    database: Database
    host: Host
    actor: Actor
    plan: DeletionPlan
    on_progress: Callable[[int, int], None]
    should_stop: Callable[[], bool]
    on_deleted: Callable[[Iterable[str]], None]
    outcome: Outcome = field(default_factory=Outcome)
    was_stopped: bool = False

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
        start, size = 0, min(FIRST_BATCH_SIZE, BATCH_SIZE)
        try:
            while start < len(thread_ids):
                self._stop_if_asked()
                began = time.monotonic()
                self._batch_or_parts(thread_ids[start : start + size])
                start, size = start + size, next_size(size, time.monotonic() - began)
                self._tell_progress()
        except AbortedError as aborted:
            self._fail(thread_ids, str(aborted))
            self._tell_progress()

    def _stop_if_asked(self) -> None:
        if self.should_stop():
            self.was_stopped = True
            raise AbortedError(STOPPED)

    def _tell_progress(self) -> None:
        failed = len(self.outcome.failed)
        self.on_progress(len(self.outcome.deleted) + failed, failed)

    def _batch_or_parts(self, batch: list[str], lock_timeout: float | None = None) -> None:
        """Delete ``batch``; where the database refuses, each half of it, down to single runs."""
        outcome: Outcome | None = None
        batch_deletion = BatchDeletion(self.host, self.actor, self.plan)
        try:
            with self.database.write(lock_timeout=lock_timeout) as connection:
                outcome = batch_deletion.delete(connection, batch)
        except NotAdminError as error:
            raise AbortedError(error.message) from None
        except (RefusedError, KeptRowsError, sa.exc.SQLAlchemyError) as error:
            if outcome is not None and is_away(error):
                self._fail(batch, UNSURE)
            self._stop_if_hopeless(error)
            is_first_try = lock_timeout is None
            if len(batch) == 1 and not (is_first_try and may_pass(error)):
                self.outcome.failed[batch[0]] = reason_for(error)
                return
            middle = len(batch) // 2
            for part in filter(None, (batch[:middle], batch[middle:])):
                self._stop_if_asked()
                self._batch_or_parts(part, SPLIT_LOCK_TIMEOUT_SECONDS)
        except Exception as error:  # noqa: BLE001  see below
            # What had gone by now must still reach the receipt.
            logger.error("A deletion met an error of its own: %s", type(error).__name__)  # noqa: TRY400  a traceback could carry values
            raise AbortedError(UNEXPECTED) from None
        else:
            self.on_deleted(outcome.deleted)
            for thread_id in outcome.deleted:
                self.outcome.failed.pop(thread_id, None)
            self.outcome.add(outcome)

    def _stop_if_hopeless(self, error: Exception) -> None:
        """Raises AbortedError for what would meet every other batch just the same."""
        cause = error.cause if isinstance(error, RefusedError) else error
        if is_away(cause) or isinstance(cause, sa.exc.TimeoutError):
            raise AbortedError(f"Not deleted. {translate(cause).message}") from None
        if sqlstate(cause) == READ_ONLY_SQL_TRANSACTION:
            raise AbortedError(READ_ONLY) from None
        if sqlstate(cause) == INSUFFICIENT_PRIVILEGE:
            table = f" from {error.table}" if isinstance(error, RefusedError) else ""
            raise AbortedError(
                f"The database role may not delete{table}. Grant it the privileges the README "
                "lists, then try again."
            ) from None

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


def next_size(size: int, seconds: float) -> int:
    """How many runs the next batch has, where one of ``size`` took so long."""
    fitting = int(size * LOCKED_SECONDS / max(seconds, 1e-9))
    return max(1, min(fitting, 2 * size, BATCH_SIZE))


def _with_rows(tables: tuple[Footprint, ...]) -> tuple[Footprint, ...]:
    return tuple(table for table in tables if table.rows)
