"""The plan: the exact ids, what goes with them, what stays and why; it changes nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from runmanager.errors import InvalidRequestError, RunNotFoundError
from runmanager.records import Footprint, LeftBehind, UnknownStatus
from tests.conftest import every_shape
from tests.hosts import connect
from tests.operations import delete
from tests.roles import DELETER, grants_in

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles


@every_shape
def test_a_plan_counts_every_table_exactly_and_changes_nothing(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    one, two, other = host.new_ids(3)
    for run in (one, two, other):
        host.add_run(run)
        host.add_traces(run, checkpoints=2, writes=3, blobs=4, logs=5)
    before = host.contents()
    plan = manager.deleting.plan(admin, [one, two])
    assert plan.thread_ids == (one, two)
    expected = {table: host.count(table, one) * 2 for table in host.shape.tables}
    assert {table.table: table.rows for table in plan.tables} == expected
    assert plan.rows == sum(expected.values())
    assert plan.stored_bytes == sum(table.stored_bytes for table in plan.tables)
    assert all(table.stored_bytes > 0 for table in plan.tables)
    assert plan.left_behind == ()
    assert host.contents() == before


def test_stored_bytes_are_those_of_the_columns(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run = host.add_run()
    host.execute(
        "INSERT INTO checkpoint_blobs VALUES (%s, '', 'state', '1', 'bytes', %s)", run, b"x" * 100
    )
    ((stored,),) = host.execute(
        "SELECT pg_column_size(thread_id) + pg_column_size(checkpoint_ns) + pg_column_size(channel)"
        " + pg_column_size(version) + pg_column_size(type) + pg_column_size(blob)"
        " FROM checkpoint_blobs"
    )
    plan = manager.deleting.plan(admin, [run])
    assert Footprint("checkpoint_blobs", 1, stored) in plan.tables


def test_an_id_asked_for_twice_counts_once_and_keeps_its_place(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    one, two = host.add_runs(2)
    plan = manager.deleting.plan(admin, [two, one, two, two])
    assert plan.thread_ids == (two, one)
    assert len(delete(manager, admin, [], plan=plan).done) == 2


def test_none_and_more_than_ten_thousand_are_refused(manager: RunManager, admin: Actor) -> None:
    with pytest.raises(InvalidRequestError, match="select at least one"):
        manager.deleting.plan(admin, [])
    ids = [f"id-{n}" for n in range(10_001)]
    with pytest.raises(InvalidRequestError, match=r"10,001 runs .* 10,000 at the most"):
        manager.deleting.plan(admin, ids)
    assert len(manager.deleting.plan(admin, ids[:-1]).missing) == 10_000
    assert len(manager.deleting.plan(admin, ["same"] * 10_001).missing) == 1


@every_shape
def test_running_runs_are_set_apart_unless_included(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    running, done = host.add_run(status="Running"), host.add_run(status="completed")
    plan = manager.deleting.plan(admin, [running, done])
    assert [run.thread_id for run in plan.runs] == [done]
    assert [run.thread_id for run in plan.excluded] == [running]
    assert plan.thread_ids == (done,)
    included = manager.deleting.plan(admin, [running, done], include_running=True)
    assert included.thread_ids == (running, done)
    assert included.excluded == ()


def test_a_run_still_runs_by_any_usual_word_and_by_those_of_the_settings(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    words = ("pending", "Queued", "BUSY", "in_progress", "In-Progress", " streaming", "started",
             "active", "running ", "Brewing tea")  # fmt: skip
    running = [host.add_run(status=word) for word in words]
    over = [host.add_run(status=word) for word in ("completed", "cancelled", "idle")]
    manager = open_manager(running_words=("brewing_tea",))
    plan = manager.deleting.plan(admin, running + over)
    assert [run.thread_id for run in plan.excluded] == running
    assert plan.thread_ids == tuple(over)
    assert plan.unknown_statuses == ()


def test_statuses_that_nobody_knows_are_counted_as_the_host_wrote_them(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    statuses = ("Frobnicating", "completed", "frobnicating", "frobnicating", None, "", "running")
    runs = [host.add_run(status=status) for status in statuses]
    (orphan,) = host.new_ids(1)
    host.add_traces(orphan)
    plan = manager.deleting.plan(admin, [*runs, orphan])
    assert len(plan.runs) == 7
    assert plan.unknown_statuses == (
        UnknownStatus("frobnicating", 2),
        UnknownStatus("Frobnicating", 1),
        UnknownStatus(None, 1),
        UnknownStatus("", 1),
    )


@every_shape
def test_missing_ids_and_orphans_are_told_apart(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run, orphan, missing = host.new_ids(3)
    host.add_run(run)
    host.add_traces(orphan)
    plan = manager.deleting.plan(admin, [run, orphan, missing, "no such\0id", "\ud800"])
    never = ("no such\0id", "\ud800")
    if host.shape.is_minimal:
        assert plan.missing == (orphan, missing, *never)
        return
    assert plan.missing == (missing, *never)
    assert [(one.thread_id, one.is_orphan) for one in plan.runs] == [(run, False), (orphan, True)]


@pytest.mark.parametrize("shape", ["uuid"], indirect=True)
def test_an_id_in_another_spelling_is_missing_and_touches_nothing(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    for other in (run.upper(), "{" + run + "}", run.replace("-", ""), "urn:uuid:" + run):
        with pytest.raises(RunNotFoundError):
            manager.reviewing.run(admin, other)
        plan = manager.deleting.plan(admin, [other])
        assert plan.missing == (other,)
        assert delete(manager, admin, [], plan=plan).done == ()
    assert host.count("run_metadata", run) == 1


def test_a_blank_name_is_none(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    run = host.add_run(name="  ")
    assert manager.deleting.plan(admin, [run]).runs[0].title == run


def test_a_table_that_cannot_be_counted_in_time_is_left_behind_uncounted(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("CREATE TABLE archive (thread_id text)")
    host.execute("CREATE TABLE billing (thread_id text)")
    host.execute("CREATE TABLE zebra (thread_id text)")
    run = host.add_run()
    host.execute("INSERT INTO zebra VALUES (%s)", run)
    manager = open_manager()
    began = time.monotonic()
    with connect(host.url) as other, other.transaction():
        other.execute("LOCK TABLE billing")
        plan = manager.deleting.plan(admin, [run])
    assert time.monotonic() - began < 5
    assert plan.left_behind == (LeftBehind("billing", None), LeftBehind("zebra", 1))


def test_a_forbidden_table_is_left_behind_uncounted_and_one_that_is_gone_is_no_longer_named(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    host.execute("CREATE TABLE archive (thread_id text)")
    host.execute("CREATE TABLE billing (thread_id text)")
    role = roles.of_the_page(DELETER)
    manager = open_manager(roles.url(role))
    host.execute("DROP TABLE archive")
    (left,) = manager.deleting.plan(admin, [host.add_run()]).left_behind
    assert (left.table, left.rows) == ("billing", None)
    assert left.denied is not None
    assert grants_in(left.denied) == [f"GRANT SELECT ON public.billing TO {role};"]
