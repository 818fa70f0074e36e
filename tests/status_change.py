"""An operation of another kind than a deletion: it gives runs another status."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.accounts import require_admin
from runmanager.audit import log_end, log_start
from runmanager.batches import Batches, KeptRowsError, Outcome, RefusedError, plain
from runmanager.host.ids import has_id
from runmanager.records import DoneRun, FailedRun, OperationKind, Receipt
from runmanager.tasks import Ending, Finished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runmanager.batches import Transact
    from runmanager.database import Database
    from runmanager.host.values import Host
    from runmanager.records import Actor
    from runmanager.tasks import Task

STATUS_CHANGE = OperationKind(
    name="status change",
    doing="Changing",
    done="changed",
    not_done="Not changed",
    removes_runs=False,
)
NO_SUCH_RUN = "There is no such run to change."
REFUSED = "The database keeps this run as it is."


@dataclass
class StatusStep:
    """Gives a batch of runs another status; ``tried`` has every batch that it was asked for.

    ``numbers`` are those by which the transactions were known.
    """

    host: Host
    actor: Actor
    status: str
    tried: list[list[str]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    @property
    def kind(self) -> OperationKind:
        """That it changes a status."""
        return STATUS_CHANGE

    def do(self, connection: sa.Connection, batch: list[str], number: int) -> Outcome:
        """Change them all; a row that stays as it is refuses the whole batch."""
        self.tried.append(batch)
        self.numbers.append(number)
        require_admin(connection, self.host, self.actor)
        runs = self.host.runs
        statement = (
            sa.update(runs).where(has_id(runs.c.thread_id, batch)).values(status=self.status)
        )
        try:
            rows = connection.execute(
                statement.returning(sa.cast(runs.c.thread_id, sa.Text), runs.c.status)
            ).all()
        except sa.exc.SQLAlchemyError as error:
            raise RefusedError(runs.name, error) from error
        if any(status != self.status for _thread_id, status in rows):
            raise KeptRowsError(runs.name)
        changed = {thread_id: Counter({runs.name: 1}) for thread_id, _status in rows}
        missing = [thread_id for thread_id in batch if thread_id not in changed]
        return Outcome(changed, dict.fromkeys(missing, NO_SUCH_RUN))

    def may_pass(self, error: Exception) -> bool:
        """A row that was kept may not be kept at a second try."""
        return isinstance(error, KeptRowsError)

    def reason_for(self, error: Exception) -> str:
        """In its own words."""
        return REFUSED if isinstance(error, RefusedError | KeptRowsError) else str(error)

    def hopeless(self, error: Exception) -> str | None:
        """What the database says of every run alike."""
        return "Nothing can be changed at all." if "hopeless" in str(error.__cause__) else None


def batches_of(
    database: Database,
    step: StatusStep,
    *,
    transact: Transact | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _failed: None,
    should_stop: Callable[[], bool] = lambda: False,
    on_done: Callable[[Iterable[str]], None] = lambda _thread_ids: None,
) -> Batches[Outcome]:
    """The batches of one status change, which nobody writes down unless ``transact`` does."""
    return Batches(
        database, transact or plain(database), step, Outcome(), on_progress, should_stop, on_done
    )


class LeftError(Exception):
    """It is to be gone on with in another turn."""


@dataclass
class StatusChange:
    """A status change, as the engine carries it out: of its spec's ``thread_ids``, to ``status``.

    Another turn does all of it again, which changes nothing. ``receipts`` are there by operation.
    """

    database: Database
    host: Host
    words: OperationKind = STATUS_CHANGE
    receipts: dict[str, Receipt] = field(default_factory=dict)

    def carry_out(self, task: Task) -> Finished | None:
        """Change them, and account for each."""
        status, total = str(task.spec["status"]), len(task.spec["thread_ids"])
        log_start(
            task.operation_id,
            STATUS_CHANGE,
            task.actor,
            task.origin,
            total=total,
            turn=task.epoch,
            interruptions=task.interruptions,
            details={"to": status},
        )

        def should_stop() -> bool:
            ending = task.control.ending()
            if ending in {Ending.PAUSE, Ending.SHUTDOWN}:
                raise LeftError
            return ending is Ending.STOP

        step = StatusStep(self.host, task.actor, status)
        batches = batches_of(
            self.database,
            step,
            on_progress=lambda tried, failed: task.control.tell(tried - failed, failed),
            should_stop=should_stop,
        )
        clock = time.monotonic()
        try:
            batches.run(sorted(task.spec["thread_ids"]))
        except LeftError:
            return None
        receipt = _receipt_of(task, batches, time.monotonic() - clock)
        self.receipts[task.operation_id] = receipt
        log_end(receipt, details={"to": status})
        return Finished(
            receipt.done_count, receipt.failed_count, {"was_stopped": receipt.was_stopped}
        )


def _receipt_of(task: Task, batches: Batches[Outcome], seconds: float) -> Receipt:
    done, failed = batches.outcome.done, batches.outcome.failed
    return Receipt(
        kind=STATUS_CHANGE,
        actor=task.actor,
        started_at=task.started_at,
        ended_at=datetime.now(UTC),
        seconds=seconds,
        done=tuple(DoneRun(one, one, tuple(rows.items())) for one, rows in done.items()),
        failed=tuple(FailedRun(one, one, reason) for one, reason in failed.items()),
        tables=(("run_metadata", len(done)),),
        was_stopped=batches.was_stopped,
        operation_id=task.operation_id,
        origin=task.origin.value,
    )
