"""Deletions as the tests ask for them: through the service, from the plan to the receipt."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runmanager import batches
from runmanager.deletion import Deletion
from runmanager.records import DeletionReceipt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from runmanager.records import Actor, DeletionPlan, Receipt
    from runmanager.service import RunManager


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
    until(lambda: manager.watching.operation(actor, operation.operation_id).receipt)
    receipt = manager.watching.operation(actor, operation.operation_id).receipt
    assert isinstance(receipt, DeletionReceipt)
    assert_accounted_for(plan, receipt)
    return receipt


def execute_here(
    manager: RunManager,
    actor: Actor,
    plan: DeletionPlan,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _failed: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> DeletionReceipt:
    """Execute in this thread, where the test can act between batches; the receipt."""
    receipt = Deletion(plan).carry_out(
        manager._access.database,
        manager._access.host,
        actor,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    assert_accounted_for(plan, receipt)
    return receipt


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
