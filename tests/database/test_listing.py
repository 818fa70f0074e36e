"""Listing: pages past the end, runs with nothing but an id, and times of any kind."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from tests.conftest import every_shape
from tests.hosts import LONG_AGO
from tests.tried import trying

if TYPE_CHECKING:
    from runmanager.records import Actor, RunSummary
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

ALL = RunFilter()


def ids(manager: RunManager, admin: Actor, run_filter: RunFilter = ALL) -> list[str]:
    page = manager.finding.list_runs(admin, run_filter, PageRequest(1, 200))
    assert page.total == len(page.items)
    return [run.thread_id for run in page.items]


def only(manager: RunManager, admin: Actor) -> RunSummary:
    (run,) = manager.finding.list_runs(admin, ALL, PageRequest()).items
    return run


def test_a_page_past_the_end_is_empty_or_the_nearest(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    runs = [host.add_run() for _ in range(20)]
    past = PageRequest(9, 10)
    empty = manager.finding.list_runs(admin, ALL, past)
    assert (empty.items, empty.total, empty.number, empty.pages) == ((), 20, 9, 2)
    last = manager.finding.browse(admin, ALL, past)
    assert (last.number, len(last.items)) == (2, 10)
    assert {run.thread_id for run in last.items} < set(runs)
    none = manager.finding.browse(admin, RunFilter("nothing"), past)
    assert (none.items, none.total, none.number, none.pages) == ((), 0, 1, 1)
    far = manager.finding.list_runs(admin, ALL, PageRequest(10**30, 200))
    assert far.items == ()


@every_shape
def test_a_gone_user_and_workspace_leave_their_ids(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(user="kate", workspace="Ops")
    host.execute("DELETE FROM users WHERE username = 'kate'")
    if not host.shape.is_minimal:
        host.execute("DELETE FROM workspaces")
    run = only(manager, admin)
    assert (run.user_id, run.username) == (host.user("kate"), None)
    assert (run.workspace_id, run.workspace_name) == (host.workspace("Ops"), None)


@every_shape
def test_a_run_with_nothing_but_its_id_is_listed(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    thread_id = host.add_run(name=None, status=None, created_at=None)
    run = only(manager, admin)
    assert (run.thread_id, run.title) == (thread_id, thread_id)
    unset = (run.name, run.status, run.created_at, run.user_id, run.username, run.workspace_id)
    assert set(unset) == {None}


SHOWN_IN = {
    "infinity": 9999,
    "-infinity": 1,
    "0044-03-15 12:00+00 BC": 1,
    "20000-01-01 00:00+00": 9999,
    "9999-12-31 23:59:59.999999+00": 9999,
    "0001-01-01 00:00+00": 1,
}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_a_time_that_python_cannot_hold_is_shown_as_the_nearest(
    host: HostWriter, open_manager: OpenManager, admin: Actor, zone: str, kind: str
) -> None:
    host.execute(f"ALTER DATABASE {host.url.database} SET timezone = '{zone}'")
    host.execute(f"ALTER TABLE run_metadata ALTER created_at TYPE {kind}")
    manager = open_manager()
    for time, year in SHOWN_IN.items():
        with trying(time):
            host.execute("TRUNCATE run_metadata CASCADE")
            host.add_run(created_at=time)
            created_at = only(manager, admin).created_at
            assert created_at is not None
            assert (created_at.year, created_at.tzinfo) == (year, UTC)


def test_a_time_without_a_zone_is_taken_as_utc(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(f"ALTER DATABASE {host.url.database} SET timezone = 'Asia/Tokyo'")
    host.execute("ALTER TABLE run_metadata ALTER created_at TYPE timestamp")
    host.add_run(created_at="2025-01-01 12:00")
    assert only(open_manager(), admin).created_at == LONG_AGO


@pytest.mark.parametrize("style", ["SQL, DMY", "German", "Postgres, MDY"])
def test_a_hosts_own_way_to_print_times_is_no_hindrance(
    host: HostWriter, open_manager: OpenManager, admin: Actor, style: str
) -> None:
    host.execute(f"ALTER DATABASE {host.url.database} SET datestyle = '{style}'")
    host.add_run()
    assert only(open_manager(), admin).created_at == LONG_AGO
