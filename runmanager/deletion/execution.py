"""Carrying out a plan: its chunks and their batches, what is tried again, and the receipt."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.archive.ids import read_ids
from runmanager.audit import MAX_FAILED, log_end, log_start
from runmanager.batches import Batches
from runmanager.deletion.account import AGAIN, Account
from runmanager.deletion.batch import DeletedRows, DeletionStep
from runmanager.deletion.keeping import kept_rows
from runmanager.deletion.kind import DELETION
from runmanager.deletion.looking_again import CameBack, look_again
from runmanager.deletion.reasons import LOCKED, NOT_FOUND, PUT_BACK
from runmanager.deletion.receipts import receipt_of, write_receipt
from runmanager.deletion.spec import DeletionSpec
from runmanager.errors import InterruptedOperationError
from runmanager.host.ids import has_id
from runmanager.ledger import Ledger
from runmanager.queries.run.footprint import ids_with_traces
from runmanager.records import FailedRun
from runmanager.tasks import Ending, Finished

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from runmanager.database import Database
    from runmanager.folders import Folder
    from runmanager.host.values import Host
    from runmanager.records import FrozenRun, OperationKind
    from runmanager.tasks import Task

# A chunk's outcome is held in memory until it is closed.
CHUNK_RUNS = 10_000
# What another session was at work on is tried again after so many seconds each.
PATIENCE_SECONDS: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
# More are not tried again: so many at once are not locked by chance.
MAX_AGAIN = 10_000
_NAP_SECONDS = 0.1


class EndedEarlyError(InterruptedOperationError):
    """The operation is to be gone on with in another turn."""


@dataclass(frozen=True)
class DeletionWork:
    """Deletion, as the engine carries it out.

    ``folder`` gives an operation's files; ``on_deleted`` is told the ids of each commit; ``place``
    is what the archive is called, and ``days`` how long what is in it is kept.
    """

    database: Database
    current_host: Callable[[], Host]
    folder: Callable[[str], Folder]
    on_deleted: Callable[[Iterable[str]], None] = lambda _thread_ids: None
    active_minutes: float = 0.0
    place: str = ""
    days: float = 30.0

    @property
    def words(self) -> OperationKind:
        """That it deletes."""
        return DELETION

    def carry_out(self, task: Task) -> Finished | None:
        """Delete exactly what was confirmed, and account for every id of it.

        Nothing is raised for what the database refuses: it stands in the receipt, and what had gone
        by then stays gone.
        """
        folder = self.folder(task.operation_id)
        turn = _Turn(self, task, folder, DeletionSpec.read(folder, task.spec), self.current_host())
        try:
            return turn.carry_out()
        except EndedEarlyError:
            return None


@dataclass
class _Turn:
    """One turn at a deletion."""

    work: DeletionWork
    task: Task
    folder: Folder
    spec: DeletionSpec
    host: Host
    account: Account = field(default_factory=Account)

    def __post_init__(self) -> None:
        self.ledger = Ledger(
            self.work.database,
            self.folder,
            self.task.operation_id,
            self.task.control.require_lease,
            self._undone,
            PUT_BACK,
        )
        self.folder = self.ledger.folder

    def carry_out(self) -> Finished:
        if self.task.is_first_turn:
            self._log_start()
        self.ledger.recover()
        for record in self.ledger.records():
            self.account.add(record)
        if not self.task.is_first_turn:
            # Only now: a turn that cannot go on says nothing, however many there are of them.
            self._log_start()
        for number, runs in _chunks(self.folder):
            if number > self.account.closed and self.account.rest is None:
                self._work_off(number, {run.thread_id: run for run in runs})
        self._try_again()
        return self._finish(look_again(self.work.database, self.host, self._done_ids()))

    def _work_off(self, number: int, frozen: Mapping[str, FrozenRun]) -> None:
        before = self.account.open
        batches = self._batches(number, frozen, DeletedRows())
        batches.outcome.add(before)
        # What was set apart before the break is looked at once more; what is there again is not.
        put_back = {one: said for one, said in before.failed.items() if said == PUT_BACK}
        batches.outcome.failed = dict(put_back)
        batches.outcome.held.clear()
        batches.outcome.locked.clear()
        over = before.done.keys() | put_back.keys()
        batches.run(sorted(thread_id for thread_id in frozen if thread_id not in over))
        _retry_held_by_each_other(batches, self.host)
        batches.outcome.locked = _locked(batches.outcome)
        record = self.account.closing(number, frozen, batches.outcome)
        if batches.aborted is not None:
            record |= {"rest": batches.aborted, "was_stopped": batches.was_stopped}
        self._note(record)

    def _try_again(self) -> None:
        """Try again what may pass: what others worked on, and what another run of the plan held."""
        waiting = [one for one in self.account.failed.values() if one.may_pass][:MAX_AGAIN]
        if self.account.rest is not None or self.account.is_closed_again or not waiting:
            return
        frozen = {one.run.thread_id: one.run for one in waiting}
        outcome = DeletedRows(failed={one.run.thread_id: one.reason for one in waiting})
        outcome.locked = {one for one, reason in outcome.failed.items() if reason == LOCKED}
        outcome.held = frozen.keys() - outcome.locked
        went_on, was_stopped = True, False
        for seconds in (0.0, *PATIENCE_SECONDS):
            self._nap(seconds)
            is_last = seconds == PATIENCE_SECONDS[-1]
            batches = self._batches(AGAIN, frozen, DeletedRows(), is_patient=is_last)
            # What is held can only go after something that held it.
            batches.run(sorted(outcome.locked | (outcome.held if went_on else set())))
            _retry_held_by_each_other(batches, self.host)
            went_on = bool(batches.outcome.done)
            for thread_id in batches.outcome.done:
                outcome.failed.pop(thread_id, None)
            outcome.add(batches.outcome)
            outcome.locked = _locked(batches.outcome) & outcome.failed.keys()
            outcome.held &= outcome.failed.keys() - outcome.locked
            if batches.aborted is not None or not outcome.locked:
                was_stopped = batches.was_stopped
                break
        outcome.locked, outcome.held = set(), set()
        record = self.account.closing(AGAIN, frozen, outcome)
        self._note(record | {"was_stopped": was_stopped})

    def _batches(
        self,
        chunk: int,
        frozen: Mapping[str, FrozenRun],
        outcome: DeletedRows,
        *,
        is_patient: bool = False,
    ) -> Batches[DeletedRows]:
        step = DeletionStep(
            self.host,
            self.task.actor,
            self.spec,
            chunk,
            frozen,
            self.folder if self.spec.is_archived else None,
            self.work.active_minutes,
            self.task.operation_id,
            is_patient,
        )
        return Batches(
            self.work.database,
            self.ledger.transact,
            step,
            outcome,
            # What is tried again has failed already.
            on_progress=lambda _done, failed: self._tell(0 if chunk == AGAIN else failed),
            should_stop=self._should_stop,
            on_done=self.work.on_deleted,
            on_outcome=self._took,
        )

    def _took(self, outcome: DeletedRows) -> None:
        self.account.took(outcome)
        if outcome.chunk == AGAIN:
            self.account.again |= outcome.done
            for thread_id in outcome.done:
                self.account.failed.pop(thread_id, None)

    def _note(self, record: dict[str, Any]) -> None:
        self.ledger.note(record)
        self.account.add(record)
        self._tell()

    def _tell(self, failed: int = 0) -> None:
        failed += len(self.account.failed) + len(self.spec.held) + len(self.spec.missing)
        self.task.control.tell(self.account.done, failed)

    def _should_stop(self) -> bool:
        ending = self.task.control.ending()
        if ending in {Ending.PAUSE, Ending.SHUTDOWN}:
            raise EndedEarlyError
        return ending is Ending.STOP

    def _nap(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._should_stop():
            time.sleep(min(seconds, _NAP_SECONDS))

    def _undone(self, record: Mapping[str, Any]) -> Collection[str]:
        """Those of a record's runs whose row is there as it was.

        Of those that had no row of their own traces can tell; but a worker may have written some
        since, so they are asked only where nothing else can. Where the server does not know the
        transaction, and every row is as it was, it was done to none of them.
        """
        stamps: Mapping[str, str | None] = record["stamps"]
        runs = self.host.runs
        asked = [one for one in stamps if one not in record["orphans"]]
        if not asked and not record["is_committed"]:
            with self.work.database.read() as connection:
                return ids_with_traces(connection, self.host, record["orphans"])
        statement = sa.select(
            sa.cast(runs.c.thread_id, sa.Text).label("thread_id"),
            sa.cast(runs.c.created_at, sa.Text).label("stamp"),
        ).where(has_id(runs.c.thread_id, asked))
        with self.work.database.read() as connection:
            rows = connection.execute(statement).all()
        undone = {row.thread_id for row in rows if row.stamp == stamps[row.thread_id]}
        if not record["is_committed"] and undone == set(asked):
            return set(record["done"])
        return undone

    def _done_ids(self) -> Iterator[Sequence[str]]:
        """The ids of all runs that are gone, some thousands at a time."""
        ids: list[str] = []
        for record in self.ledger.records():
            ids += record.get("done", ())
            if len(ids) >= CHUNK_RUNS:
                yield ids
                ids = []
        if ids:
            yield ids

    def _log_start(self) -> None:
        spec, task = self.spec, self.task
        log_start(
            task.operation_id,
            DELETION,
            task.actor,
            task.origin,
            total=spec.total,
            turn=task.epoch,
            interruptions=task.interruptions,
            sentence=spec.sentence,
            until=spec.until,
            reason=spec.reason,
            archive=spec.is_archived,
            details=self._details(),
        )

    def _details(self) -> dict[str, Any]:
        spec = self.spec
        return {
            "asked": spec.asked,
            "include_running": spec.include_running,
            "left_out": spec.left_out_total,
            "held": len(spec.held),
            "left_behind": {one.table: one.rows for one in spec.left_behind},
            "unknown_statuses": [
                {"status": status, "runs": runs} for status, runs in spec.unknown_statuses
            ],
        }

    def _finish(self, came_back: CameBack) -> Finished:
        self.task.control.require_lease()
        ended_at = datetime.now(UTC)
        until = None
        if self.spec.is_archived and self.account.archived:
            until = ended_at + timedelta(days=self.work.days)
        head = write_receipt(
            self.folder,
            self.task,
            self.spec,
            self.account,
            self.host,
            came_back,
            kept_rows(self.host, {(table, None): n for table, n in self.account.kept.items()}),
            ended_at=ended_at,
            place=self.work.place if until else None,
            kept_until=until,
        )
        failed = tuple(islice(self._failed(), MAX_FAILED))
        log_end(receipt_of(head, (), failed), details=self._details())
        return Finished(
            done=self.account.done,
            failed=head["failed"],
            summary={
                "deleted": self.account.done,
                "failed": head["failed"],
                "rows": sum(self.account.tables.values()),
                "was_stopped": self.account.was_stopped,
                "came_back": None if came_back.tables is None else came_back.rows,
                "is_archived": self.spec.is_archived,
            },
            archive_bytes=self.account.archived,
            archive_until=until,
        )

    def _failed(self) -> Iterator[FailedRun]:
        """What failed, each with its reason; of what a stop left over, none."""
        for one in self.account.failed.values():
            yield FailedRun(one.run.thread_id, one.run.title, one.reason)
        yield from self.spec.held
        for thread_id in self.spec.missing:
            yield FailedRun(thread_id, thread_id, NOT_FOUND)


def _chunks(folder: Folder) -> Iterator[tuple[int, list[FrozenRun]]]:
    """The frozen runs, some thousands at a time, numbered from 1."""
    runs, number = iter(read_ids(folder)), 0
    while chunk := list(islice(runs, CHUNK_RUNS)):
        number += 1
        yield number, chunk


def _locked(outcome: DeletedRows) -> set[str]:
    """Those that another session was at work on: on their own row, or on one of their traces."""
    return outcome.locked | {one for one, reason in outcome.failed.items() if reason == LOCKED}


def _retry_held_by_each_other(batches: Batches[DeletedRows], host: Host) -> None:
    """Try again what another run of the same plan held, as long as that frees some."""
    own = f"“{host.own.name}”"
    before = -1
    while batches.aborted is None and len(batches.outcome.done) != before:
        before = len(batches.outcome.done)
        held = sorted(
            thread_id
            for thread_id, reason in batches.outcome.failed.items()
            if thread_id in batches.outcome.held or (host.refers_to_itself and own in reason)
        )
        if held:
            batches.run(held)
