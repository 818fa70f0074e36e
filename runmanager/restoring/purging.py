"""Purging as a kind of operation: from then on nothing of a deletion can be restored."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.accounts import require_admin
from runmanager.archive import purging
from runmanager.audit import log_end, log_start
from runmanager.database import LOCK_NOT_AVAILABLE, sqlstate, translate
from runmanager.errors import InterruptedOperationError
from runmanager.ledger import lock_copy, lock_operation
from runmanager.receipts import json_of
from runmanager.records import Actor, Receipt
from runmanager.restoring.kind import PURGE
from runmanager.restoring.planning import committed
from runmanager.restoring.receipts import NAME, head_of
from runmanager.store import operations
from runmanager.tasks import Ending, Finished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from runmanager.archive.purging import Files
    from runmanager.database import Database
    from runmanager.host.values import Host
    from runmanager.records import DoneRun, FailedRun, OperationKind
    from runmanager.store import Store
    from runmanager.tasks import Task

_WAITS = "Runs are being restored from this archive: it is purged afterwards."


@dataclass(frozen=True)
class PurgeWork:
    """Purging, as the engine carries it out. The task's total is how many runs were kept."""

    database: Database
    current_host: Callable[[], Host]
    store: Store
    place: Files

    @property
    def words(self) -> OperationKind:
        """That it purges."""
        return PURGE

    def carry_out(self, task: Task) -> Finished | None:
        """Remove the rows that the parent archived; done again it ends the same."""
        if task.is_first_turn:
            _log_start(task)
        ending = task.control.ending()
        if ending in {Ending.PAUSE, Ending.SHUTDOWN}:
            return None
        if ending is Ending.STOP and not self._has_begun(str(task.parent)):
            _log_further(task)
            return self._finish(task, is_stopped=True)
        with self.database.read() as connection:
            require_admin(connection, self.current_host(), task.actor)
        with alone_with_copy(self.database, self.store, str(task.parent)):
            # Only now: a turn that has to wait says nothing, however many there are of them.
            _log_further(task)
            task.control.require_lease()
            purging.purge(self.store, self.place, str(task.parent))
        return self._finish(task, is_stopped=False)

    def _has_begun(self, operation_id: str) -> bool:
        """Whether an earlier turn has removed rows: it can only be ended then, not stopped."""
        with self.store.read() as connection:
            found = operations.find(connection, operation_id)
        if found is not None and found.purged_at is not None:
            return True
        return any(not is_kept for _number, is_kept in committed(self.place.folder(operation_id)))

    def _finish(self, task: Task, *, is_stopped: bool) -> Finished:
        done = 0 if is_stopped else task.total
        head = head_of(task, PURGE, datetime.now(UTC)) | {
            "stopped": is_stopped,
            "purged": done,
            "failed": 0,
            "rows": {},
        }
        with self.place.folder(task.operation_id).writing(NAME) as sink:
            for piece in json_of(head, ()):
                sink.write(piece)
        log_end(purge_receipt_of(head), details={"of": task.parent})
        return Finished(done, 0, summary={"purged": done, "was_stopped": is_stopped})


@contextmanager
def alone_with_copy(database: Database, store: Store, operation_id: str) -> Iterator[None]:
    """Inside the block no restore of what an operation archived is at work, waits, or is asked for.

    Raises InterruptedOperationError instead where one is.
    """
    try:
        with database.write() as connection:
            lock_operation(connection, operation_id)
            lock_copy(connection, operation_id, to_purge=True)
            # Behind the locks: until a moment ago somebody may have asked for one.
            if purging.is_being_restored(store, operation_id):
                raise InterruptedOperationError(_WAITS)
            yield
    except sa.exc.SQLAlchemyError as error:
        waits = sqlstate(error) == LOCK_NOT_AVAILABLE
        raise InterruptedOperationError(_WAITS if waits else translate(error).message) from None


def _log_further(task: Task) -> None:
    if not task.is_first_turn:
        _log_start(task)


def _log_start(task: Task) -> None:
    log_start(
        task.operation_id,
        PURGE,
        task.actor,
        task.origin,
        total=task.total,
        turn=task.epoch,
        interruptions=task.interruptions,
        reason=task.spec.get("reason"),
        parent=str(task.parent),
    )


def purge_receipt_of(
    head: Mapping[str, Any], done: tuple[DoneRun, ...] = (), failed: tuple[FailedRun, ...] = ()
) -> Receipt:
    """The receipt of a document's facts: it names no run."""
    return Receipt(
        kind=PURGE,
        actor=Actor(head["actor_id"], head["actor"]),
        started_at=datetime.fromisoformat(head["started_at"]),
        ended_at=datetime.fromisoformat(head["ended_at"]),
        seconds=head["seconds"],
        done=done,
        failed=failed,
        done_total=head["purged"],
        failed_total=head["failed"],
        tables=tuple(head["rows"].items()),
        was_stopped=head["stopped"],
        operation_id=head["operation_id"],
        origin=head["how"],
        reason=head["reason"],
        interruptions=head["interruptions"],
    )
