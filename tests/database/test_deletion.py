"""Deleting: every trace of exactly the runs that the plan named, all of a run or nothing of it."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from runmanager import batches
from runmanager.accounts import require_admin
from runmanager.deletion import DELETION, batch
from runmanager.deletion.reasons import APPEARED, NOT_FOUND, STILL_RUNNING
from runmanager.errors import NotAdminError
from runmanager.records import Footprint
from tests.conftest import every_shape
from tests.hosts import connect
from tests.operations import delete, deleted, errors, execute_here, in_batches_of
from tests.roles import DELETER

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles


@every_shape
def test_every_trace_goes_and_nothing_else(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_runs(3, user="kate", workspace="Ops")
    runs = host.new_ids(5)
    for run in runs:
        host.add_run(run, name="Going", user="kate")
        host.add_traces(run, checkpoints=2, writes=3, blobs=4, logs=5)
    counts = {run: host.counts(run) for run in runs}
    before = host.contents(without=runs)
    plan = manager.deleting.plan(admin, runs[::-1])
    receipt = delete(manager, admin, [], plan=plan)
    assert host.contents() == before
    assert receipt.failed == ()
    assert {run.thread_id: dict(run.rows) for run in receipt.done} == counts
    assert dict(receipt.tables) == {table.table: table.rows for table in plan.tables}
    assert receipt.rows == plan.rows
    assert [run.thread_id for run in receipt.done] == runs[::-1]
    assert {run.title for run in receipt.done} == {"Going"}
    assert receipt.actor == admin
    assert (receipt.came_back, receipt.was_stopped) == ((), False)
    assert receipt.seconds > 0


def test_large_deletions_go_in_batches_of_two_hundred_at_the_most(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "LOCKED_SECONDS", 1000.0)
    runs = host.new_ids(450)
    host.execute(
        "INSERT INTO run_metadata (thread_id, status) SELECT unnest(%s::text[]), 'completed'", runs
    )
    host.execute("INSERT INTO logs (thread_id) SELECT unnest(%s::text[])", runs)
    told: list[tuple[int, int]] = []
    receipt = execute_here(
        manager,
        admin,
        manager.deleting.plan(admin, [*runs, "missing"]),
        on_progress=lambda done, failed: told.append((done, failed)),
    )
    assert told == [(50, 1), (150, 1), (350, 1), (450, 1)]
    assert len(receipt.done) == 450
    assert dict(receipt.tables)["logs"] == 450
    assert errors(receipt) == {"missing": NOT_FOUND}


@every_shape
def test_a_run_deleted_meanwhile_is_not_found_and_the_rest_goes(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    one, two, three = host.add_runs(3)
    plan = manager.deleting.plan(admin, [one, two, three])
    delete(manager, admin, [two])
    receipt = delete(manager, admin, [], plan=plan)
    assert deleted(receipt) == {one, three}
    assert errors(receipt) == {two: NOT_FOUND}


@every_shape
def test_an_id_with_no_row_anywhere_is_not_found(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    receipt = delete(manager, admin, ["nobody", run, "\0", "\ud800"])
    assert errors(receipt) == {"nobody": NOT_FOUND, "\0": NOT_FOUND, "\ud800": NOT_FOUND}
    assert deleted(receipt) == {run}


@pytest.mark.parametrize("shape", ["text", "uuid", "integer", "schema"], indirect=True)
def test_orphans_are_cleaned_and_said_so(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    orphan, run = host.new_ids(2)
    host.add_run(run)
    for one in (orphan, run):
        host.add_traces(one)
    receipt = delete(manager, admin, [orphan, run])
    assert {one.thread_id: one.was_orphan for one in receipt.done} == {orphan: True, run: False}
    assert host.is_gone(orphan)
    assert "run_metadata" not in dict(receipt.done[0].rows)


def test_a_run_whose_row_the_host_deletes_meanwhile_is_cleaned_as_an_orphan(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    plan = manager.deleting.plan(admin, [run])
    host.execute("DELETE FROM run_metadata")
    receipt = delete(manager, admin, [], plan=plan)
    assert [one.was_orphan for one in receipt.done] == [True]
    assert host.is_gone(run)


def test_what_was_not_there_when_the_plan_was_made_is_not_deleted(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    missing, orphan = host.new_ids(2)
    host.add_traces(orphan)
    plan = manager.deleting.plan(admin, [missing, orphan])
    host.add_run(missing)
    host.add_run(orphan)
    before = host.contents()
    receipt = delete(manager, admin, [], plan=plan)
    assert errors(receipt) == {missing: NOT_FOUND, orphan: APPEARED}
    assert host.contents() == before


@every_shape
def test_a_run_that_runs_again_after_the_plan_stays(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    again, done = host.add_runs(2)
    plan = manager.deleting.plan(admin, [again, done])
    host.execute("UPDATE run_metadata SET status = 'RUNNING' WHERE thread_id = %s", again)
    kept = host.counts(again)
    receipt = delete(manager, admin, [], plan=plan)
    assert errors(receipt) == {again: STILL_RUNNING}
    assert deleted(receipt) == {done}
    assert host.counts(again) == kept


def test_a_run_that_runs_again_by_the_host_s_own_word_is_left_alone(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    manager = open_manager(running_words=("brewing",))
    plan = manager.deleting.plan(admin, [run])
    host.execute("UPDATE run_metadata SET status = ' Brewing '")
    kept = host.counts(run)
    assert errors(delete(manager, admin, [], plan=plan)) == {run: STILL_RUNNING}
    assert host.counts(run) == kept


def test_a_running_run_goes_where_it_was_included(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1, status="running")
    assert deleted(delete(manager, admin, [run], include_running=True)) == {run}
    assert host.is_gone(run)


@pytest.mark.parametrize(
    "change", ["UPDATE users SET is_admin = false", "DELETE FROM users", "DROP TABLE users"]
)
def test_an_actor_who_loses_the_role_after_the_plan_deletes_nothing(
    host: HostWriter, manager: RunManager, admin: Actor, change: str
) -> None:
    runs = host.add_runs(3)
    plan = manager.deleting.plan(admin, runs)
    host.execute(change)
    before = host.contents()
    receipt = execute_here(manager, admin, plan)
    assert receipt.done == ()
    assert len(receipt.failed) == 3
    if "TABLE" not in change:
        assert set(errors(receipt).values()) == {NotAdminError().message}
    assert host.contents() == before


def test_an_actor_demoted_between_batches_deletes_no_further(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(6)

    def demote(done: int, _failed: int) -> None:
        if done == 4:
            host.execute("UPDATE users SET is_admin = false")

    plan = manager.deleting.plan(admin, runs)
    receipt = execute_here(manager, admin, plan, on_progress=demote)
    assert deleted(receipt) == set(runs[:4])
    assert errors(receipt) == dict.fromkeys(runs[4:], NotAdminError().message)
    assert [host.is_gone(run) for run in runs] == [True] * 4 + [False] * 2


def test_a_stop_keeps_what_had_gone_and_accounts_for_the_rest(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(5)
    done: list[int] = []
    receipt = execute_here(
        manager,
        admin,
        manager.deleting.plan(admin, runs),
        on_progress=lambda number, _failed: done.append(number),
        should_stop=lambda: bool(done),
    )
    assert receipt.was_stopped
    assert deleted(receipt) == set(runs[:2])
    assert errors(receipt) == dict.fromkeys(runs[2:], batches.stopped(DELETION))
    assert [host.is_gone(run) for run in runs] == [True] * 2 + [False] * 3


def test_rows_that_a_worker_writes_after_the_deletion_are_reported(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)

    def still_writing(_done: int, _failed: int) -> None:
        host.add_traces(run, checkpoints=0, blobs=0, logs=2)

    plan = manager.deleting.plan(admin, [run])
    receipt = execute_here(manager, admin, plan, on_progress=still_writing)
    (back,) = receipt.came_back or ()
    assert back == Footprint("logs", 2, back.stored_bytes)


def test_where_nobody_can_look_again_it_is_said(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    (run,) = host.add_runs(1)
    role = roles.of_the_page(DELETER)
    manager = open_manager(roles.url(role))
    plan = manager.deleting.plan(admin, [run])
    receipt = execute_here(
        manager,
        admin,
        plan,
        on_progress=lambda _done, _failed: roles.revoke(role, "SELECT ON logs"),
    )
    assert deleted(receipt) == {run}
    assert receipt.came_back is None
    assert receipt.remarks == (
        "Whether a worker has written more since then could not be looked at.",
    )
    assert receipt.facts["came_back"] is None


def test_an_error_of_our_own_keeps_the_account_of_what_had_gone(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    in_batches_of(1, monkeypatch)
    one, two = host.add_runs(2)
    plan = manager.deleting.plan(admin, [one, two])
    checks = iter([require_admin])

    def fail_at_the_second(*arguments: object) -> None:
        next(checks)(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "require_admin", fail_at_the_second)
    receipt = execute_here(manager, admin, plan)
    assert deleted(receipt) == {one}
    found = re.search(r"StopIteration at .*\(error (\w{8})\)", caplog.text)
    assert found is not None
    assert errors(receipt) == {two: batches.unexpected(DELETION, found[1])}
    assert host.count("logs", two) == 1


def test_runs_that_take_long_go_in_smaller_batches(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As large as others need not wait for long: four of these take at least as long as that."""
    monkeypatch.setattr(batches, "FIRST_BATCH_SIZE", 8)
    host.add_trigger("run_metadata", "PERFORM pg_sleep(0.1); RETURN OLD;")
    runs = host.add_runs(20)
    done: list[int] = []
    plan = manager.deleting.plan(admin, runs)
    receipt = execute_here(manager, admin, plan, on_progress=lambda n, _failed: done.append(n))
    assert deleted(receipt) == set(runs)
    assert done[0] == 8
    assert all(1 <= after - before <= 4 for before, after in pairwise(done))


@pytest.mark.parametrize(
    ("size", "seconds", "following"),
    [(50, 0.01, 100), (200, 0.01, 200), (50, 0.08, 50), (200, 0.8, 20), (1, 60.0, 1), (1, 0, 2)],
)
def test_the_next_batch_has_what_goes_in_the_time_and_at_most_twice_as_much(
    size: int, seconds: float, following: int
) -> None:
    assert batches.next_size(size, seconds) == following


def test_ten_thousand_runs_are_deleted_at_once(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    runs = [f"run-{n:05}" for n in range(10_000)]
    host.execute("INSERT INTO run_metadata (thread_id) SELECT unnest(%s::text[])", runs)
    plan = manager.deleting.plan(admin, runs)
    assert len(delete(manager, admin, [], plan=replace(plan)).done) == 10_000
    with connect(host.url) as fresh:
        assert fresh.execute("SELECT count(*) FROM run_metadata").fetchone() == (0,)
