"""Deletions as the tests ask for them: through the service, from the plan to the receipt."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runmanager import batches
from runmanager.deletion import DeletionWork
from runmanager.deletion.receipts import NAME
from runmanager.deletion.receipts import receipt_of as receipt_from
from runmanager.deletion.spec import DeletionSpec, write_frozen
from runmanager.errors import LeaseLostError
from runmanager.receipts import read_receipt
from runmanager.records import DeletionReceipt, DoneRun, FailedRun, OperationState, Origin
from runmanager.tasks import Ending, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from runmanager.database import Database
    from runmanager.folders import Folder
    from runmanager.host.values import Host
    from runmanager.records import Actor, DeletionPlan, Receipt
    from runmanager.service import RunManager

# What an operation is called that no engine knows.
HERE = "0" * 32


def until(condition: Callable[[], object], *, seconds: float = 20.0) -> None:
    """Return as soon as ``condition`` holds; fail when it does not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def delete(
    manager: RunManager,
    actor: Actor,
    thread_ids: Sequence[str],
    *,
    include_running: bool = False,
    plan: DeletionPlan | None = None,
) -> DeletionReceipt:
    """Plan (unless a plan is given) and delete; the receipt."""
    plan = plan or manager.deleting.plan(actor, thread_ids, include_running=include_running)
    operation = manager.deleting.start(actor, plan)
    receipt = receipt_of(manager, actor, operation.operation_id)
    assert_accounted_for(plan, receipt)
    return receipt


def receipt_of(manager: RunManager, actor: Actor, operation_id: str) -> DeletionReceipt:
    """The receipt of a deletion, once it has finished."""
    rests = {OperationState.FINISHED, OperationState.PAUSED}
    until(lambda: manager.operations.view(actor, operation_id).state in rests, seconds=60)
    view = manager.operations.view(actor, operation_id)
    assert view.is_over, view.message
    receipt = manager.operations.get(actor, operation_id).receipt
    assert isinstance(receipt, DeletionReceipt)
    return receipt


@dataclass
class Here:
    """The control of an operation that is carried out in the test's own thread."""

    on_progress: Callable[[int, int], None] = lambda _done, _failed: None
    should_end: Callable[[], Ending | None] = lambda: None
    is_leased: Callable[[], bool] = lambda: True
    told: tuple[int, int] = (0, 0)

    def ending(self) -> Ending | None:
        """What the test says."""
        return self.should_end()

    def require_lease(self) -> None:
        """Raises LeaseLostError where the test says so."""
        if not self.is_leased():
            raise LeaseLostError

    def tell(self, done: int, failed: int) -> None:
        """Tell the test what is new."""
        if (done, failed) != self.told:
            self.told = done, failed
            self.on_progress(done, failed)


def task_of(operation_id: str, actor: Actor, control: Here, **spec: Any) -> Task:
    """A turn at an operation, without an engine."""
    now = datetime.now(UTC)
    return Task(operation_id, actor, Origin.PAGE, spec, None, 1, 0, now, now, 0, control)


def execute_here(
    manager: RunManager,
    actor: Actor,
    plan: DeletionPlan,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _failed: None,
    should_stop: Callable[[], bool] = lambda: False,
    is_archived: bool = True,
    operation_id: str = HERE,
) -> DeletionReceipt:
    """Execute in this thread, where the test can act between batches; the receipt."""
    work, folder = deletion_here(manager, plan, operation_id)
    control = Here(on_progress, lambda: Ending.STOP if should_stop() else None)
    task = task_of(operation_id, actor, control, is_archived=is_archived)
    assert work.carry_out(task) is not None
    receipt = read_receipt_of(folder)
    assert_accounted_for(plan, receipt)
    return receipt


def execute_in(
    folder: Folder,
    database: Database,
    host: Host,
    actor: Actor,
    plan: DeletionPlan,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _failed: None,
    is_archived: bool = True,
) -> DeletionReceipt:
    """Execute where there is no Run Manager but its database, in this thread; the receipt."""
    confirm(folder, plan)
    work = DeletionWork(database, lambda: host, lambda _operation_id: folder)
    task = task_of(HERE, actor, Here(on_progress), is_archived=is_archived)
    assert work.carry_out(task) is not None
    return read_receipt_of(folder)


def deletion_here(
    manager: RunManager, plan: DeletionPlan, operation_id: str = HERE
) -> tuple[DeletionWork, Folder]:
    """The work of a deletion without an engine, confirmed as ``plan`` says; and its folder."""
    place = manager._keeping.place
    folder = place.folder(operation_id)
    confirm(folder, plan)
    access = manager._access
    work = DeletionWork(access.database, lambda: access.host, place.folder)
    return work, folder


def confirm(folder: Folder, plan: DeletionPlan) -> None:
    """Let a folder hold what a deletion needs to begin, and nothing else."""
    folder.remove(folder.names())
    write_frozen(folder, plan)
    DeletionSpec.of(plan).write(folder)


def read_receipt_of(folder: Folder) -> DeletionReceipt:
    """The receipt in an operation's folder."""
    with folder.reading(NAME) as source:
        head, lines = read_receipt(source)
        runs = list(lines)
    done = tuple(
        DoneRun(
            run["thread_id"], run["title"], tuple(sorted(run["rows"].items())), run["was_orphan"]
        )
        for run in runs
        if run["outcome"] == "deleted"
    )
    failed = tuple(
        FailedRun(run["thread_id"], run["title"], run["error"])
        for run in runs
        if run["outcome"] == "failed"
    )
    return receipt_from(head, done, failed)


def assert_accounted_for(plan: DeletionPlan, receipt: Receipt) -> None:
    """Every id of the plan stands in the receipt once, and its sums are sums."""
    stands = [run.thread_id for run in receipt.done] + [run.thread_id for run in receipt.failed]
    assert sorted(stands) == sorted(plan.thread_ids)
    for table, rows in receipt.tables:
        assert rows == sum(dict(run.rows).get(table, 0) for run in receipt.done)


def errors(receipt: Receipt) -> dict[str, str]:
    """Why each run failed, by id."""
    return {run.thread_id: run.error for run in receipt.failed}


def deleted(receipt: Receipt) -> set[str]:
    """The ids of the runs that are gone."""
    return {run.thread_id for run in receipt.done}


def in_batches_of(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every batch have so many runs, however long it takes."""
    monkeypatch.setattr(batches, "BATCH_SIZE", size)
    monkeypatch.setattr(batches, "LOCKED_SECONDS", 1000.0)
