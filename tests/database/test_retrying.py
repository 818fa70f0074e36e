"""A second try takes what was confirmed at the first, and nothing that has its id by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.deletion.reasons import APPEARED, replaced
from runmanager.errors import OperationStateError
from tests.operations import deleted, receipt_of

if TYPE_CHECKING:
    from runmanager.records import Actor, DeletionReceipt
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

LATER = "2030-01-02 03:04:05+00"


def first_try(
    host: HostWriter, manager: RunManager, admin: Actor, runs: list[str]
) -> DeletionReceipt:
    """A deletion whose every run with a row is refused."""
    host.add_trigger("run_metadata", "RAISE 'not now';")
    plan = manager.deleting.plan(admin, runs)
    view = manager.deleting.start(admin, plan)
    receipt = receipt_of(manager, admin, view.operation_id)
    host.execute("DROP TRIGGER refuse ON run_metadata")
    return receipt


def left_out(receipt: DeletionReceipt) -> dict[str, str]:
    return {run.thread_id: run.error for run in receipt.left_out}


def try_again(manager: RunManager, admin: Actor, first: DeletionReceipt) -> DeletionReceipt:
    again = manager.operations.retry(admin, first.operation_id)
    return receipt_of(manager, admin, again.operation_id)


def begin_anew(host: HostWriter, run: str) -> None:
    """Let another run have this id."""
    host.execute("UPDATE run_metadata SET created_at = %s WHERE thread_id = %s", LATER, run)


def test_a_run_that_is_another_by_now_is_left_out_and_named(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    same, other = host.add_runs(2)
    first = first_try(host, manager, admin, [same, other])
    assert first.failed_count == 2
    begin_anew(host, other)
    again = try_again(manager, admin, first)
    assert deleted(again) == {same}
    ((stamp,),) = host.execute("SELECT created_at::text FROM run_metadata")
    assert left_out(again) == {other: replaced(stamp)}
    assert again.left_out_total == 1
    assert not host.is_gone(other)


def test_a_run_that_was_held_is_taken_if_it_is_the_same_yet(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("CREATE TABLE invoices (run text REFERENCES run_metadata)")
    manager = open_manager()
    same, other = host.add_runs(2)
    host.execute("INSERT INTO invoices SELECT thread_id FROM run_metadata")
    plan = manager.deleting.plan(admin, [same, other])
    first = receipt_of(manager, admin, manager.deleting.start(admin, plan).operation_id)
    assert (len(plan.held), first.failed_count) == (2, 2)
    host.execute("DELETE FROM invoices")
    begin_anew(host, other)
    again = try_again(manager, admin, first)
    assert deleted(again) == {same}
    assert list(left_out(again)) == [other]


def test_what_had_no_row_is_left_out_once_it_has(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    same = host.add_run()
    missing, traced, never = host.new_ids(3)
    first = first_try(host, manager, admin, [same, missing, traced, never])
    assert first.failed_count == 4
    host.add_run(missing)
    host.add_traces(traced)
    again = try_again(manager, admin, first)
    assert deleted(again) == {same}
    assert left_out(again) == {missing: APPEARED, traced: APPEARED}
    assert [run.thread_id for run in again.failed] == [never]
    assert not host.is_gone(missing)
    assert not host.is_gone(traced)


def test_where_none_is_the_same_nothing_is_started(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run = host.add_run()
    first = first_try(host, manager, admin, [run])
    begin_anew(host, run)
    with pytest.raises(OperationStateError, match="None of the runs that failed is the one"):
        manager.operations.retry(admin, first.operation_id)
    assert not host.is_gone(run)
