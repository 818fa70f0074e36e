"""Operations: they go on without their page, can be stopped, and end in a receipt."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runmanager.archive.places import StorePlace
from runmanager.batches import stopped
from runmanager.deletion import DELETION, DeletionWork, batch, execution
from runmanager.deletion.batch import DeletedRows
from runmanager.deletion.reasons import NOT_FOUND
from runmanager.errors import OperationNotFoundError, OperationStateError, StoreError
from runmanager.paging import PageRequest
from runmanager.records import Actor, OperationState
from runmanager.tasks import Ending
from tests.conftest import every_shape
from tests.engines import CutOff
from tests.hosts import connect
from tests.operations import (
    HERE,
    Here,
    deleted,
    deletion_here,
    errors,
    execute_here,
    in_batches_of,
    read_receipt_of,
    receipt_of,
    task_of,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.records import DeletionReceipt, OperationView
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
    assert (began.total, began.done, began.is_over) == (4, 0, False)
    until_state(manager, admin, began, OperationState.RUNNING)
    (seen,) = manager.operations.running(admin)
    assert (seen.operation_id, seen.total) == (began.operation_id, 4)
    assert not any(host.is_gone(run) for run in runs)
    gate.set()
    receipt_of(manager, admin, began.operation_id)
    ended = manager.operations.get(admin, began.operation_id)
    assert (ended.state, ended.total, ended.done, ended.failed) == (
        OperationState.FINISHED, 4, 3, 1,
    )  # fmt: skip
    assert manager.operations.running(admin) == ()


def until_state(
    manager: RunManager, actor: Actor, operation: OperationView, state: OperationState
) -> None:
    """Wait until an operation stands so."""
    until(lambda: manager.operations.view(actor, operation.operation_id).state is state)


def test_an_operation_that_is_stopped_says_what_it_left(
    host: HostWriter, manager: RunManager, admin: Actor, gate: threading.Event
) -> None:
    runs = host.add_runs(3)
    operation = start(manager, admin, runs)
    until_state(manager, admin, operation, OperationState.RUNNING)
    manager.operations.stop(admin, operation.operation_id)
    assert manager.operations.get(admin, operation.operation_id).is_stopping
    gate.set()
    receipt = receipt_of(manager, admin, operation.operation_id)
    assert receipt.was_stopped
    assert set(errors(receipt).values()) == {stopped(DELETION)}
    assert not manager.operations.get(admin, operation.operation_id).is_stopping
    assert len(deleted(receipt)) == 3 - len(errors(receipt)) <= 1


def test_an_operation_is_seen_and_stopped_by_every_admin(
    host: HostWriter, manager: RunManager, admin: Actor, gate: threading.Event
) -> None:
    other = Actor(host.add_user("grace", is_admin=True), "grace")
    operation = start(manager, admin, host.add_runs(2))
    until_state(manager, other, operation, OperationState.RUNNING)
    seen = manager.operations.get(other, operation.operation_id)
    assert (seen.actor, seen.operation_id) == (admin, operation.operation_id)
    assert [one.operation_id for one in manager.operations.running(other)] == [seen.operation_id]
    assert manager.operations.stop(other, operation.operation_id).is_stopping
    gate.set()
    assert receipt_of(manager, other, operation.operation_id).was_stopped
    with pytest.raises(OperationNotFoundError):
        manager.operations.get(admin, "unknown")


def test_closing_ends_after_the_present_batch_and_another_instance_goes_on(
    host: HostWriter, open_manager: OpenManager, admin: Actor, gate: threading.Event
) -> None:
    manager = open_manager()
    runs = host.add_runs(3)
    operation = start(manager, admin, runs)
    until_state(manager, admin, operation, OperationState.RUNNING)
    closing = threading.Thread(target=manager.close)
    closing.start()
    until(lambda: manager._engine._workers._closing.is_set())
    assert closing.is_alive()
    gate.set()
    closing.join(20)
    assert not closing.is_alive()
    assert sum(host.is_gone(run) for run in runs) <= 1
    later = open_manager()
    receipt = receipt_of(later, admin, operation.operation_id)
    assert (deleted(receipt), receipt.failed, receipt.was_stopped) == (set(runs), (), False)
    assert all(host.is_gone(run) for run in runs)


def test_a_third_operation_waits_its_turn(
    host: HostWriter, manager: RunManager, admin: Actor, gate: threading.Event
) -> None:
    started = [start(manager, admin, [run]) for run in host.add_runs(3)]
    ids = [operation.operation_id for operation in started]
    for operation in started[:2]:
        until_state(manager, admin, operation, OperationState.RUNNING)
    running = manager.operations.running(admin)
    assert [one.operation_id for one in running] == ids[::-1]  # newest first
    assert running[0].state is OperationState.QUEUED
    gate.set()
    for operation in started:
        assert len(receipt_of(manager, admin, operation.operation_id).done) == 1


def test_operations_that_ended_are_remembered_with_their_receipts_newest_first(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    manager = open_manager()
    ended = [start_and_end(manager, admin, run) for run in host.add_runs(3)]
    manager.close()
    later = open_manager()
    page = later.operations.list(admin, PageRequest(1, 2))
    assert (page.total, [one.operation_id for one in page.items]) == (3, ended[:0:-1])
    for operation_id in ended:
        assert len(receipt_of(later, admin, operation_id).done) == 1


def start_and_end(manager: RunManager, admin: Actor, run: str) -> str:
    operation_id = start(manager, admin, [run]).operation_id
    receipt_of(manager, admin, operation_id)
    return operation_id


def test_an_operation_that_breaks_down_rests_and_ends_in_a_receipt_once_it_is_resumed(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def break_down(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("with a secret")

    runs = host.add_runs(2)
    with monkeypatch.context() as broken:
        broken.setattr(DeletionWork, "carry_out", break_down)
        operation = start(manager, admin, runs)
        until(lambda: manager.operations.view(admin, operation.operation_id).message)
    view = manager.operations.view(admin, operation.operation_id)
    assert view.state is OperationState.PAUSED
    assert "an error of its own (error " in (view.message or "")
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text + (view.message or "")
    assert not any(host.is_gone(run) for run in runs)
    manager.operations.resume(admin, operation.operation_id)
    assert deleted(receipt_of(manager, admin, operation.operation_id)) == set(runs)


def test_an_operation_that_rests_goes_on_where_it_was_or_is_stopped(
    host: HostWriter, manager: RunManager, admin: Actor, gate: threading.Event
) -> None:
    one, two = (start(manager, admin, host.add_runs(3)) for _ in range(2))
    for operation in (one, two):
        until_state(manager, admin, operation, OperationState.RUNNING)
        manager.operations.pause(admin, operation.operation_id)
    gate.set()
    for operation in (one, two):
        until_state(manager, admin, operation, OperationState.PAUSED)
        assert manager.operations.view(admin, operation.operation_id).done <= 1
    manager.operations.resume(admin, one.operation_id)
    manager.operations.stop(admin, two.operation_id)
    assert len(deleted(receipt_of(manager, admin, one.operation_id))) == 3
    stopped_one = receipt_of(manager, admin, two.operation_id)
    assert stopped_one.was_stopped
    assert len(stopped_one.failed) >= 2
    for steer in (manager.operations.pause, manager.operations.resume, manager.operations.stop):
        with pytest.raises(OperationStateError):
            steer(admin, one.operation_id)


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

    def run_one(number: int) -> DeletionReceipt:
        started.wait(20)
        return execute_here(manager, admin, plans[number], operation_id=f"{number:032}")

    with ThreadPoolExecutor(len(orders)) as threads:
        receipts = list(threads.map(run_one, range(len(orders))))
    gone = [run for receipt in receipts for run in deleted(receipt)]
    assert sorted(gone) == runs
    reasons = {reason for receipt in receipts for reason in errors(receipt).values()}
    assert reasons == {NOT_FOUND}
    assert all(host.is_gone(run) for run in runs)
    rows = sum(receipt.rows for receipt in receipts)
    assert rows == sum(table.rows for table in plans[0].tables)


def test_runs_that_others_work_on_are_set_apart_and_tried_again_at_the_end(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(2, monkeypatch)
    manager = open_manager(lock_timeout=10.0)
    runs = host.add_runs(5)
    plan = manager.deleting.plan(admin, runs)
    with connect(host.url) as other:
        transaction = other.transaction()
        transaction.__enter__()
        other.execute("SELECT FROM run_metadata WHERE thread_id = %s FOR UPDATE", [runs[1]])
        told: list[tuple[int, int]] = []

        def let_go(done: int, failed: int) -> None:
            told.append((done, failed))
            if (done, failed) == (4, 1):
                transaction.__exit__(None, None, None)

        receipt = execute_here(manager, admin, plan, on_progress=let_go)
    # Nothing waited for it: all the others were dealt with before it was let go.
    assert (4, 1) in told
    assert (deleted(receipt), receipt.failed) == (set(runs), ())


def test_runs_locked_in_opposite_orders_meet_no_deadlock(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is the database's, whatever order the plan has.

    At first nothing is waited for; what is left at the end is waited for.
    """
    monkeypatch.setattr(execution, "PATIENCE_SECONDS", (0.0,))
    manager = open_manager(lock_timeout=10.0)
    one, two, three = host.new_ids(3)
    for run in (three, two, one):  # as they lie in the table
        host.add_run(run)
    plan = manager.deleting.plan(admin, [three, two, one])
    lock = "SELECT FROM run_metadata WHERE thread_id = ANY(%s) FOR UPDATE NOWAIT"
    with connect(host.url) as first, connect(host.url) as other, ThreadPoolExecutor(1) as threads:
        with first.transaction():
            first.execute(lock, [[one]])
            with other.transaction():
                other.execute(lock, [[two, three]])
                going = threads.submit(execute_here, manager, admin, plan)
                until(
                    lambda: host.execute(
                        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                        " AND application_name = 'runmanager'"
                    )
                )
            # It waits for the first and so holds none of the others.
            other.execute(lock, [[two, three]])
        assert deleted(going.result(20)) == {one, two, three}


def test_an_operation_that_waits_for_a_lost_connection_is_paused_and_goes_on(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    runs = host.add_runs(3)
    # A sequence goes on though its transaction is undone.
    host.execute("CREATE SEQUENCE tries")
    host.add_trigger(
        "run_metadata",
        "IF nextval('tries') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid());"
        " PERFORM pg_sleep(1); END IF; RETURN OLD;",
    )
    work, folder = deletion_here(manager, manager.deleting.plan(admin, runs))

    def pause_when_it_is_lost() -> Ending | None:
        ((is_lost,),) = host.execute("SELECT is_called FROM tries")
        return Ending.PAUSE if is_lost else None

    pausing = Here(should_end=pause_when_it_is_lost)
    assert work.carry_out(task_of(HERE, admin, pausing, is_archived=True)) is None
    assert not any(host.is_gone(run) for run in runs)
    assert work.carry_out(task_of(HERE, admin, Here(), is_archived=True)) is not None
    assert deleted(read_receipt_of(folder)) == set(runs)


def test_a_store_that_does_not_answer_ends_the_turn_and_not_the_operation(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(1, monkeypatch)
    runs = host.add_runs(3)
    work, folder = deletion_here(manager, manager.deleting.plan(admin, runs))

    def is_leased() -> bool:
        if host.is_gone(runs[0]):
            raise StoreError
        return True

    with pytest.raises(StoreError):
        work.carry_out(task_of(HERE, admin, Here(is_leased=is_leased), is_archived=True))
    assert [host.is_gone(run) for run in runs] == [True, False, False]
    assert work.carry_out(task_of(HERE, admin, Here(), is_archived=True)) is not None
    assert deleted(read_receipt_of(folder)) == set(runs)


def test_a_record_that_the_store_does_not_take_interrupts_the_deletion_and_ends_it_not(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = open_manager(archive="off")
    in_batches_of(1, monkeypatch)
    runs = host.add_runs(3)
    plan = manager.deleting.plan(admin, runs)
    work, folder = deletion_here(manager, plan)
    reached = CutOff(manager._store)
    cut = replace(work, folder=StorePlace(reached).folder)
    crashing = Here(on_progress=lambda done, _failed: reached.crash() if done == 1 else None)
    with pytest.raises(StoreError):
        cut.carry_out(task_of(HERE, admin, crashing, is_archived=False))
    assert [host.is_gone(run) for run in runs] == [True, False, False]
    assert work.carry_out(task_of(HERE, admin, Here(), is_archived=False)) is not None
    assert deleted(read_receipt_of(folder)) == set(runs)


def test_a_batch_with_an_orphan_is_done_anew_on_a_database_that_was_put_back_to_before_it(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run, orphan = host.add_run(), host.new_id()
    host.add_traces(orphan)
    work, folder = deletion_here(manager, manager.deleting.plan(admin, [run, orphan]))
    ((stamp,),) = host.execute("SELECT created_at::text FROM run_metadata")
    done = DeletedRows(
        done={run: Counter(), orphan: Counter()},
        stamps={run: stamp, orphan: None},
        orphans={orphan},
        chunk=1,
    )
    # The server that is there now has not given this number to anybody yet.
    record = {**done.to_json(), "xid": str(2**40)}
    folder.write("000001.json", json.dumps(record).encode())
    assert work.carry_out(task_of(HERE, admin, Here(), is_archived=False)) is not None
    assert errors(read_receipt_of(folder)) == {}
    assert host.is_gone(run)
    assert host.is_gone(orphan)


def test_what_stays_held_by_a_run_that_failed_is_tried_again_once(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.execute(
        "ALTER TABLE run_metadata ADD FOREIGN KEY (parent_thread_id) REFERENCES run_metadata"
    )
    parent, rerun, other = host.add_runs(3)
    host.execute(
        "UPDATE run_metadata SET parent_thread_id = %s WHERE thread_id = %s", parent, rerun
    )
    host.add_trigger(
        "run_metadata", f"IF OLD.thread_id = '{rerun}' THEN RAISE 'no'; END IF; RETURN OLD;"
    )
    naps: list[float] = []
    monkeypatch.setattr(execution._Turn, "_nap", lambda _turn, seconds: naps.append(seconds))
    manager = open_manager()
    receipt = execute_here(manager, admin, manager.deleting.plan(admin, [parent, rerun, other]))
    assert deleted(receipt) == {other}
    assert set(errors(receipt)) == {parent, rerun}
    # At once, and with what went on nothing is locked that could be waited for.
    assert naps == [0.0]
