"""How big what went was: said only where that is known, which is of all that was counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runmanager.deletion import matching
from runmanager.deletion.receipts import NAME
from runmanager.filters import RunFilter
from runmanager.receipts import html_of, read_receipt
from tests.hosts import connect
from tests.operations import HERE, deleted, execute_here, in_batches_of, receipt_of

if TYPE_CHECKING:
    import pytest

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


def sizes_said(manager: RunManager, operation_id: str = HERE) -> tuple[int | None, bool]:
    """What a receipt says as JSON, and whether the document says a size of rows."""
    with manager._keeping.place.folder(operation_id).reading(NAME) as source:
        head, runs = read_receipt(source)
        document = "".join(html_of(head, runs))
    return head["stored_bytes"], "as stored" in document


def test_where_all_that_was_counted_went_its_size_is_said(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    plan = manager.deleting.plan(admin, host.add_runs(3))
    receipt = execute_here(manager, admin, plan)
    assert receipt.stored_bytes == plan.stored_bytes > 0
    assert sizes_said(manager) == (plan.stored_bytes, True)


def test_where_it_was_stopped_no_size_is_said(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(2, monkeypatch)
    plan = manager.deleting.plan(admin, host.add_runs(6))
    done: list[int] = []
    receipt = execute_here(
        manager,
        admin,
        plan,
        on_progress=lambda number, _failed: done.append(number),
        should_stop=lambda: bool(done),
    )
    assert receipt.was_stopped
    assert len(receipt.done) == 2
    assert receipt.stored_bytes is None
    assert sizes_said(manager) == (None, False)


def test_where_a_run_failed_no_size_is_said(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("CREATE TABLE holds (run text REFERENCES run_metadata (thread_id))")
    manager = open_manager()
    runs = host.add_runs(3)
    plan = manager.deleting.plan(admin, runs)
    host.execute("INSERT INTO holds VALUES (%s)", runs[1])
    receipt = execute_here(manager, admin, plan)
    assert deleted(receipt) == {runs[0], runs[2]}
    assert receipt.stored_bytes is None
    assert sizes_said(manager) == (None, False)


def test_where_more_rows_went_than_were_counted_no_size_is_said(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    runs = host.add_runs(2)
    plan = manager.deleting.plan(admin, runs)
    with connect(host.url) as worker:
        worker.execute("INSERT INTO logs (thread_id, message) VALUES (%s, 'late')", [runs[0]])
    receipt = execute_here(manager, admin, plan)
    assert deleted(receipt) == set(runs)
    assert receipt.stored_bytes is None


def test_of_an_estimate_no_size_is_said(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MAX_RUNS", 5)
    host.add_runs(8)
    plan = manager.deleting.plan_matching(admin, RunFilter(), every=True)
    assert plan.is_about
    view = manager.deleting.start(admin, plan)
    receipt = receipt_of(manager, admin, view.operation_id)
    assert receipt.done_count == 8
    assert receipt.stored_bytes is None
    assert sizes_said(manager, view.operation_id) == (None, False)
