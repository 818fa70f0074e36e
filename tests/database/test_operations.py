"""Operations: they go on without their page, can be stopped, and end in a receipt."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from runmanager.batches import stopped
from runmanager.deletion import DELETION, Deletion, batch
from runmanager.deletion.reasons import NOT_FOUND
from runmanager.errors import OperationNotFoundError
from runmanager.records import Actor, OperationState
from runmanager.work import operations
from tests.conftest import every_shape
from tests.hosts import connect
from tests.operations import deleted, errors, in_batches_of, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.records import DeletionPlan, OperationView, Receipt
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Holds every batch of one run until it is set."""
    gate = threading.Event()
    require_admin = batch.__dict__["require_admin"]

    def wait_at_the_gate(*arguments: object) -> None:
        assert gate.wait(20)
        require_admin(*arguments)

    monkeypatch.setattr(batch, "require_admin", wait_at_the_gate)
    in_batches_of(1, monkeypatch)
    yield gate
    gate.set()


def start(manager: RunManager, actor: Actor, runs: list[str]) -> OperationView:
    return manager.deleting.start(actor, manager.deleting.plan(actor, runs))


def receipt_of(manager: RunManager, actor: Actor, operation_id: str) -> Receipt:
    until(lambda: manager.operations.get(actor, operation_id).receipt)
    receipt = manager.operations.get(actor, operation_id).receipt
    assert receipt is not None
    return receipt


def test_an_operation_goes_on_when_nobody_watches(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    runs = host.add_runs(3)
    start(manager, admin, runs)
    until(lambda: all(host.is_gone(run) for run in runs))


def test_an_operation_shows_how_far_it_is(
    host: HostWriter, manager: RunManager, admin: Actor, gate: threading.Event
) -> None:
    runs = host.add_runs(3)
    began = start(manager, admin, [*runs, "missing"])
    assert (began.state, began.total, began.done) == (OperationState.RUNNING, 4, 0)
    assert manager.operations.running(admin) == (began,)
    gate.set()
    receipt_of(manager, admin, began.operation_id)
    ended = manager.operations.get(admin, began.operation_id)
    assert (ended.state, ended.total, ended.done, ended.failed) == (
        OperationState.FINISHED, 4, 4, 1,
    )  # fmt: skip
    assert manager.operations.running(admin) == ()


def test_an_operation_that_is_stopped_says_what_it_left(
    host: HostWriter, manager: RunManager, admin: Actor, gate: threading.Event
) -> None:
    runs = host.add_runs(3)
    operation = start(manager, admin, runs)
    manager.operations.stop(admin, operation.operation_id)
    assert manager.operations.get(admin, operation.operation_id).is_stopping
    gate.set()
    receipt = receipt_of(manager, admin, operation.operation_id)
    assert receipt.was_stopped
    assert set(errors(receipt).values()) == {stopped(DELETION)}
    assert not manager.operations.get(admin, operation.operation_id).is_stopping
    assert len(deleted(receipt)) == 3 - len(errors(receipt)) <= 1


def test_no_other_actor_sees_or_stops_it(
    host: HostWriter, manager: RunManager, admin: Actor, gate: threading.Event
) -> None:
    other = Actor(host.add_user("grace", is_admin=True), "grace")
    operation = start(manager, admin, host.add_runs(1))
    with pytest.raises(OperationNotFoundError):
        manager.operations.get(other, operation.operation_id)
    with pytest.raises(OperationNotFoundError):
        manager.operations.stop(other, operation.operation_id)
    with pytest.raises(OperationNotFoundError):
        manager.operations.get(admin, "unknown")
    assert manager.operations.running(other) == ()


def test_closing_ends_after_the_present_batch_and_waits_for_it(
    host: HostWriter, open_manager: OpenManager, admin: Actor, gate: threading.Event
) -> None:
    manager = open_manager()
    runs = host.add_runs(3)
    operation = start(manager, admin, runs)
    closing = threading.Thread(target=manager.close)
    closing.start()
    until(lambda: manager.operations.get(admin, operation.operation_id).is_stopping)
    assert closing.is_alive()
    gate.set()
    closing.join(20)
    assert not closing.is_alive()
    assert sum(host.is_gone(run) for run in runs) <= 1
    assert len(deleted(receipt_of(manager, admin, operation.operation_id))) <= 1


def test_a_third_operation_waits_its_turn(
    host: HostWriter, manager: RunManager, admin: Actor, gate: threading.Event
) -> None:
    started = [start(manager, admin, [run]) for run in host.add_runs(3)]
    assert manager.operations.running(admin) == tuple(started)
    gate.set()
    for operation in started:
        assert len(receipt_of(manager, admin, operation.operation_id).done) == 1


def test_only_finished_operations_are_forgotten(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MAX_KEPT", 2)
    first, *others = (start_and_end(manager, admin, run) for run in host.add_runs(4))
    with pytest.raises(OperationNotFoundError):
        manager.operations.get(admin, first)
    assert manager.operations.get(admin, others[-1]).receipt is not None


def start_and_end(manager: RunManager, admin: Actor, run: str) -> str:
    operation_id = start(manager, admin, [run]).operation_id
    receipt_of(manager, admin, operation_id)
    return operation_id


def test_an_operation_that_breaks_down_still_ends_in_a_receipt(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def break_down(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("with a secret")

    runs = host.add_runs(2)
    monkeypatch.setattr(Deletion, "carry_out", break_down)
    receipt = receipt_of(manager, admin, start(manager, admin, runs).operation_id)
    assert list(errors(receipt)) == runs
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


@every_shape
def test_overlapping_deletions_in_opposite_orders_count_each_run_once(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(20, monkeypatch)
    runs = host.new_ids(60)
    for run in runs:
        host.add_run(run)
        host.add_traces(run, checkpoints=1, writes=2, blobs=1, logs=2)
    manager = open_manager(lock_timeout=10.0)
    orders = runs, runs[::-1], runs[20:] + runs[:20], runs[:40]
    plans = [manager.deleting.plan(admin, order) for order in orders]
    started = threading.Barrier(len(orders))

    def run_one(plan: DeletionPlan) -> Receipt:
        started.wait(20)
        return Deletion(plan).carry_out(manager._access.database, manager._access.host, admin)

    with ThreadPoolExecutor(len(orders)) as threads:
        receipts = list(threads.map(run_one, plans))
    gone = [run for receipt in receipts for run in deleted(receipt)]
    assert sorted(gone) == runs
    assert {reason for receipt in receipts for reason in errors(receipt).values()} == {NOT_FOUND}
    assert all(host.is_gone(run) for run in runs)
    rows = sum(receipt.rows for receipt in receipts)
    assert rows == sum(table.rows for table in plans[0].tables)


def test_runs_locked_in_opposite_orders_meet_no_deadlock(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    """The order is the database's, whatever order the plan has."""
    manager = open_manager(lock_timeout=10.0)
    one, two, three = host.new_ids(3)
    for run in (three, two, one):  # as they lie in the table
        host.add_run(run)
    plan = manager.deleting.plan(admin, [three, two, one])
    with connect(host.url) as other, ThreadPoolExecutor(1) as threads:
        with other.transaction():
            other.execute("SELECT FROM run_metadata WHERE thread_id = %s FOR UPDATE", [one])
            going = threads.submit(
                Deletion(plan).carry_out, manager._access.database, manager._access.host, admin
            )
            until(
                lambda: host.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND application_name = 'runmanager'"
                )
            )
            # It waits for the first and so holds none of the others.
            other.execute(
                "SELECT FROM run_metadata WHERE thread_id = ANY(%s) FOR UPDATE NOWAIT",
                [[two, three]],
            )
        assert deleted(going.result(20)) == {one, two, three}
