"""docs/hosts/: what a deletion says of each table is what becomes of it, counted in plain SQL."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from runmanager.paging import PageRequest
from tests.docs.hosts.public_hosts import NOBODY, PUBLIC_HOSTS, RUNS
from tests.operations import delete, deleted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.docs.hosts.public_hosts import PublicDatabase

ALL = PageRequest(1, 200)
FASTAPI_TEMPLATE = next(one for one in PUBLIC_HOSTS if one.name == "fastapi-template")


def by_table(host: PublicDatabase, said: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Rows that were said to go, by the table that they are in; without those that lose none."""
    behind = host.behind_views()
    tables: Counter[str] = Counter()
    for name, rows in said:
        tables[behind.get(name, name)] += rows
    return {table: rows for table, rows in tables.items() if rows}


def lost(before: dict[str, Counter[str]], after: dict[str, Counter[str]]) -> dict[str, int]:
    """How many rows each table has lost; none may have gained or changed any."""
    assert before.keys() == after.keys()
    assert {
        table: after[table] - before[table] for table in after if after[table] - before[table]
    } == {}
    gone = {table: (before[table] - after[table]).total() for table in before}
    return {table: rows for table, rows in gone.items() if rows}


def test_plan_and_receipt_count_table_by_table_what_is_really_gone(
    host: PublicDatabase, open_manager: OpenManager, admin: Actor
) -> None:
    # Its rows were all written a moment ago.
    manager = open_manager(host.role_url, trace_tables=host.of.trace_tables, active_minutes=0)
    asked = [run.thread_id for run in host.listed()][3:27]
    before = host.contents()
    plan = manager.deleting.plan(admin, asked)
    assert host.contents() == before
    assert plan.held == ()
    assert plan.kept == ()
    assert plan.missing == ()
    going = [run.thread_id for run in plan.runs]
    assert len(going) >= len(asked) * 3 / 4
    assert {*going, *(run.thread_id for run in plan.excluded)} == set(asked)
    receipt = delete(manager, admin, asked, plan=plan)
    assert receipt.failed == ()
    assert deleted(receipt) == set(going)
    gone = lost(before, host.contents())
    assert by_table(host, ((one.table, one.rows) for one in plan.tables)) == gone
    assert by_table(host, receipt.tables) == gone
    # No two names in the plan count the same rows.
    assert plan.rows == receipt.rows == sum(gone.values())
    left = {run.thread_id for run in host.listed()}
    assert len(left) == RUNS - len(going)
    assert left.isdisjoint(going)


def test_what_is_left_behind_is_counted_and_stays(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    (thread_id,) = [run.thread_id for run in host.listed()][7:8]
    plan = manager.deleting.plan(admin, [thread_id], include_running=True)
    before = {one.table: host.rows_of(one.table, [thread_id]) for one in plan.left_behind}
    assert {one.table: one.rows for one in plan.left_behind} == before
    delete(manager, admin, [thread_id], plan=plan)
    for table, rows in before.items():
        assert host.rows_of(table, [thread_id]) == rows


def test_its_page_says_what_becomes_of_each_table(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    (thread_id,) = [run.thread_id for run in host.listed()][7:8]
    plan = manager.deleting.plan(admin, [thread_id], include_running=True)
    goes = by_table(host, ((one.table, one.rows) for one in plan.tables))
    told = dict.fromkeys(goes, "goes")
    told |= dict.fromkeys((one.table for one in plan.left_behind), "left behind")
    assert told == host.of.told()


def test_a_run_shows_before_its_deletion_what_goes_with_it(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    (thread_id,) = [run.thread_id for run in host.listed()][7:8]
    going, left = manager.reviewing.footprint(admin, thread_id)
    plan = manager.deleting.plan(admin, [thread_id], include_running=True)
    assert {(one.table, one.rows) for one in going} == {
        (one.table, one.rows) for one in plan.tables
    }
    assert left == plan.left_behind


@pytest.mark.parametrize(
    "public_host",
    [one for one in PUBLIC_HOSTS if one.may_have_checkpoints_of_no_run],
    ids=lambda one: one.name,
    indirect=True,
)
def test_what_belongs_to_no_run_is_left_alone(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    before = host.rows_of("checkpoints", [NOBODY])
    asked = [run.thread_id for run in host.listed()]
    delete(manager, admin, asked, include_running=True)
    assert host.listed() == []
    assert host.rows_of("checkpoints", [NOBODY]) == before > 0


def test_a_run_that_still_goes_on_is_set_apart(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    runs = host.listed()
    running = {run.thread_id for run in runs if run.status in {"running", "busy"}}
    plan = manager.deleting.plan(admin, [run.thread_id for run in runs])
    assert {run.thread_id for run in plan.excluded} == running
    knows = {"original", "aegra", "langgraph-platform", "deer-flow"}
    assert bool(running) == (host.of.name in knows)
    unknown = {one.status for one in plan.unknown_statuses}
    assert unknown == (set() if running else {None})


@pytest.mark.parametrize("public_host", [FASTAPI_TEMPLATE], indirect=True)
def test_without_a_view_of_its_messages_they_hold_their_session_unless_they_are_named(
    host: PublicDatabase, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("DROP VIEW runmanager.logs")
    host.execute(f"GRANT SELECT, DELETE ON message TO {host.role}")
    asked = [run.thread_id for run in host.listed()][:5]
    before = host.contents()
    manager = open_manager(host.role_url)
    plan = manager.deleting.plan(admin, asked)
    assert plan.runs == ()
    assert [run.thread_id for run in plan.held] == asked
    assert all("RUNMANAGER_TRACE_TABLES" in run.reason for run in plan.held)
    assert all("“message”" in run.reason for run in plan.held)
    assert host.contents() == before
    manager = open_manager(host.role_url, trace_tables=("message",))
    receipt = delete(manager, admin, asked)
    assert deleted(receipt) == set(asked)
    assert by_table(host, receipt.tables) == lost(before, host.contents())


def test_its_log_is_that_of_the_view(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    (thread_id,) = [run.thread_id for run in host.listed()][7:8]
    expected = {
        "original": 3,
        "aegra": 3,
        "langgraph-platform": 2,
        "chainlit": 3,
        "deer-flow": 5,
        "fastapi-template": 2,
    }
    lines = manager.reviewing.logs(admin, thread_id, None, ALL)
    assert lines.total == len(lines.items) == expected.get(host.of.name, 0)
