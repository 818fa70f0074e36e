"""Carrying out a restore: file by file from the last to the first, and the receipt."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.accounts import require_admin
from runmanager.archive.reading import open_rows, read_header
from runmanager.audit import MAX_FAILED, log_end, log_start
from runmanager.batches import AbortedError, Batches
from runmanager.database import LOCK_NOT_AVAILABLE, sqlstate
from runmanager.errors import ArchiveError, InterruptedOperationError
from runmanager.ledger import Ledger, lock_operation, read_record
from runmanager.records import FailedRun
from runmanager.restoring import reasons
from runmanager.restoring.account import Account
from runmanager.restoring.batch import restore_batch
from runmanager.restoring.kind import RESTORE
from runmanager.restoring.outcome import RestoredRows
from runmanager.restoring.planning import committed, obstacle
from runmanager.restoring.proof import find_existing
from runmanager.restoring.receipts import receipt_of, write_receipt
from runmanager.tasks import Ending, Finished

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from runmanager.database import Database
    from runmanager.folders import Folder
    from runmanager.host.values import Host
    from runmanager.records import OperationKind
    from runmanager.tasks import Task


class EndedEarlyError(InterruptedOperationError):
    """The operation is to be gone on with in another turn."""


@dataclass(frozen=True)
class RestoreWork:
    """Restoring, as the engine carries it out.

    ``folder`` gives an operation's files; ``on_restored`` is told the ids of each commit. The spec
    of a task has ``thread_ids``, or null for all that its parent deleted.
    """

    database: Database
    current_host: Callable[[], Host]
    folder: Callable[[str], Folder]
    on_restored: Callable[[Iterable[str]], None] = lambda _thread_ids: None

    @property
    def words(self) -> OperationKind:
        """That it restores."""
        return RESTORE

    def carry_out(self, task: Task) -> Finished | None:
        """Put back what was asked for, and account for every id of it.

        Nothing is raised for what the database refuses: it stands in the receipt.
        """
        try:
            return _Turn(self, task).carry_out()
        except EndedEarlyError:
            return None


@dataclass
class _Turn:
    """One turn at a restore."""

    work: RestoreWork
    task: Task
    account: Account = field(default_factory=Account)
    _known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.folder = self.work.folder(self.task.operation_id)
        self.archive = self.work.folder(self.task.parent or "")
        asked = self.task.spec.get("thread_ids")
        self.asked: frozenset[str] | None = None if asked is None else frozenset(asked)
        self.ledger = Ledger(
            self.work.database,
            self.folder,
            self.task.operation_id,
            self.task.control.require_lease,
            self._undone,
            reasons.GONE_AGAIN,
        )
        self.folder = self.ledger.folder

    def carry_out(self) -> Finished:
        if self.task.is_first_turn:
            self._log_start()
        self.ledger.recover()
        records = list(self.ledger.records()) if self.ledger.number else []
        for record in records:
            self.account.add(record)
        if not self.task.is_first_turn:
            # Only now: a turn that cannot go on says nothing, however many there are of them.
            self._log_start()
        self._tell()
        # What was worked off in an earlier turn; the last of it may not be whole.
        past = {record["file"] for record in records} - {self.account.file}
        for number, is_kept in committed(self.archive):
            left = self._left(number)
            if number in past or not left:
                continue
            reason = self.account.rest or (None if is_kept else reasons.NOT_KEPT)
            if reason is None:
                self._work_off(number, left)
            else:
                self.account.take(number, RestoredRows(failed=dict.fromkeys(left, reason)))
        return self._finish()

    def _left(self, number: int) -> list[str]:
        """The runs of a file that were asked for, and that nothing is known of yet."""
        runs = read_record(self.archive, number)["done"].keys()
        wanted = sorted(runs if self.asked is None else runs & self.asked)
        if self.asked is not None:
            self._known.update(wanted)
        settled = self.account.settled if self.account.file == number else set()
        return [run for run in wanted if run not in settled]

    def _work_off(self, number: int, left: list[str]) -> None:
        why = self._obstacle(number)
        host = self.work.current_host()
        files = _WholeFile(
            self.work.database,
            self.ledger.transact,
            _Step(self, host, number),
            RestoredRows(),
            on_progress=lambda _done, _failed: self._tell(),
            should_stop=self._should_stop,
            on_done=self.work.on_restored,
            on_outcome=self._took,
        )
        if why is None:
            files.run(left)
        else:
            files.aborted = why
        settled = self.account.settled if self.account.file == number else set()
        failed = {run: why for run, why in files.outcome.failed.items() if run not in settled}
        titles = {run: files.outcome.titles[run] for run in failed if run in files.outcome.titles}
        record = {"file": number, "failed": failed, "titles": titles}
        if files.aborted is not None:
            record |= {"rest": files.aborted, "was_stopped": files.was_stopped}
            failed |= {run: files.aborted for run in left if run not in settled | failed.keys()}
        if failed or files.aborted is not None:
            self._note(record)

    def _obstacle(self, number: int) -> str | None:
        """Why nothing of a file can be put back here; None where it can, or where that is seen."""
        try:
            header = read_header(self.archive, number)
        except ArchiveError:
            return None
        with self.work.database.read() as connection:
            return obstacle(connection, header)

    def _took(self, outcome: RestoredRows) -> None:
        # What nothing was done to has no record of its own, and is noted at the end of its file.
        if not outcome.is_nothing:
            self.account.take(outcome.file, outcome)

    def _note(self, record: dict[str, Any]) -> None:
        self.ledger.note(record)
        self.account.add(record)
        self._tell()

    def _tell(self) -> None:
        self.task.control.tell(self.account.done, len(self.account.failed))

    def _should_stop(self) -> bool:
        ending = self.task.control.ending()
        if ending in {Ending.PAUSE, Ending.SHUTDOWN}:
            raise EndedEarlyError
        return ending is Ending.STOP

    def _undone(self, record: Mapping[str, Any]) -> Collection[str]:
        """Those of a record's runs that have no row anywhere."""
        host, ids = self.work.current_host(), sorted(record["done"])
        with self.work.database.read() as connection:
            there = find_existing(connection, host, (), ids)
        return [run for run in ids if run not in there]

    def _finish(self) -> Finished:
        for run in sorted((self.asked or frozenset()) - self._known):
            reason = self.account.rest or reasons.NOT_ARCHIVED
            if run not in self.account.failed:
                self.account.failed[run] = reason
        ended_at = datetime.now(UTC)
        records = self.ledger.records()
        head = write_receipt(self.folder, self.task, self.account, records, ended_at=ended_at)
        titles = self.account.outcome.titles
        first = islice(self.account.failed.items(), MAX_FAILED)
        failed = (FailedRun(run, titles.get(run, run), reason) for run, reason in first)
        log_end(receipt_of(head, (), tuple(failed)), details={"of": self.task.parent})
        return Finished(
            done=self.account.done,
            failed=len(self.account.failed),
            summary={
                "restored": self.account.done,
                "failed": len(self.account.failed),
                "rows": sum(self.account.tables.values()),
                "was_stopped": self.account.was_stopped,
                "told": len(self.account.outcome.told),
            },
        )

    def _log_start(self) -> None:
        task = self.task
        log_start(
            task.operation_id,
            RESTORE,
            task.actor,
            task.origin,
            total=task.total,
            turn=task.epoch,
            interruptions=task.interruptions,
            sentence=str(task.spec.get("sentence", "")),
            reason=task.spec.get("reason"),
            parent=task.parent,
        )


class _WholeFile(Batches[RestoredRows]):
    """The runs of one file, in one transaction where nothing speaks against it."""

    def run(self, thread_ids: list[str]) -> None:
        """Put all of ``thread_ids`` back; account for each."""
        try:
            self._stop_if_asked()
            self._batch_or_halves(thread_ids)
        except AbortedError as aborted:
            self.aborted = str(aborted)
            self.fail(thread_ids, self.aborted)
        self._tell_progress()


@dataclass(frozen=True)
class _Step:
    """How runs of one file are put back, in one transaction."""

    turn: _Turn
    host: Host
    file: int

    @property
    def kind(self) -> OperationKind:
        """That it restores."""
        return RESTORE

    def do(
        self,
        connection: sa.Connection,
        batch: list[str],
        number: int,  # noqa: ARG002  a record of a restore has no file of rows
    ) -> RestoredRows:
        """Put ``batch`` back as far as it can be, alone at work on this archive."""
        # The tables are read anew for each file, and statements on them are never the same again:
        # kept, they would take some 18 MiB.
        connection.execution_options(compiled_cache=None)
        task = self.turn.task
        require_admin(connection, self.host, task.actor)
        try:
            lock_operation(connection, str(task.parent))
        except sa.exc.DBAPIError as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            raise InterruptedOperationError(reasons.OTHER_AT_WORK) from None
        task.control.require_lease()
        reading = partial(open_rows, self.turn.archive, self.file)
        try:
            with connection.begin_nested():
                outcome = restore_batch(connection, self.host, reading, batch)
        except ArchiveError as error:
            # A file that is damaged, or gone: others may be whole.
            outcome = RestoredRows(failed=dict.fromkeys(batch, error.message))
        outcome.file = self.file
        return outcome

    def may_pass(self, error: Exception) -> bool:
        """Whether the same run may well come back at a second try."""
        return reasons.reason_for(error) == reasons.LOCKED

    def reason_for(self, error: Exception) -> str:
        """Why one run did not come back, in plain words."""
        return reasons.reason_for(error)

    def hopeless(self, error: Exception) -> str | None:
        """Why every other batch would meet ``error`` just the same; None where it would not."""
        return reasons.hopeless(error)
