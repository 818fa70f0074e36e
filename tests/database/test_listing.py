"""Listing: one total order, literal search, filters that combine, and times of any kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runmanager.filters import WITHOUT, RunFilter
from runmanager.paging import PageRequest
from tests.conftest import every_shape
from tests.hosts import LONG_AGO

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


@every_shape
def test_newest_comes_first_and_no_time_last(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    one, two, three, four = host.new_ids(4)
    host.add_run(two, created_at=None)
    host.add_run(one, created_at=None)
    host.add_run(three, created_at=LONG_AGO)
    host.add_run(four, created_at=LONG_AGO + timedelta(days=1))
    assert ids(manager, admin) == [four, three, two, one]


@given(
    days=st.lists(st.none() | st.integers(0, 3), max_size=25),
    size=st.integers(1, 7),
)
def test_pages_tile_the_sorted_list(
    host: HostWriter, manager: RunManager, admin: Actor, days: list[int | None], size: int
) -> None:
    host.execute("TRUNCATE run_metadata")
    times = [None if day is None else LONG_AGO + timedelta(days=day) for day in days]
    runs = [(host.add_run(created_at=time), time) for time in times]
    # Python's own sort: by id, then stably by time, both descending, those without a time last.
    runs.sort(key=lambda run: run[0], reverse=True)
    runs.sort(key=lambda run: run[1] or datetime.min.replace(tzinfo=UTC), reverse=True)
    pages = [
        manager.finding.list_runs(admin, ALL, PageRequest(number, size))
        for number in range(1, -(-len(days) // size) + 2)
    ]
    listed = [run.thread_id for page in pages for run in page.items]
    assert listed == [thread_id for thread_id, _time in runs]
    assert {page.total for page in pages} == {len(days)}
    assert pages[-1].items == ()


def test_filters_combine_with_and(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    wanted = host.add_run(name="Order 7", user="kate", workspace="Ops")
    host.add_run(name="Order 7", user="kate", workspace="Lab")
    host.add_run(name="Order 7", user="tom", workspace="Ops")
    host.add_run(name="Other", user="kate", workspace="Ops")
    host.add_run(name="Order 7")
    ops = host.workspace("Ops")
    assert ids(manager, admin, RunFilter("order", "kate", ops)) == [wanted]
    assert len(ids(manager, admin, RunFilter("order", "kate"))) == 2
    assert len(ids(manager, admin, RunFilter("order"))) == 4
    assert len(ids(manager, admin, RunFilter(username="kate", workspace=ops))) == 2


NAMES = ["100 %", "100 x", "a_b", "axb", "c\\d", "c/d", "it's", 'say "hi"', "🚀 launch", "ÄRGER"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("%", ["100 %"]),
        ("0 %", ["100 %"]),
        ("_", ["a_b"]),
        ("\\", ["c\\d"]),
        ("/", ["c/d"]),
        ("'", ["it's"]),
        ('"hi"', ['say "hi"']),
        ("🚀", ["🚀 launch"]),
        ("LAUNCH", ["🚀 launch"]),
        ("ärger", ["ÄRGER"]),
        ("100", ["100 %", "100 x"]),
        ("x" * 10_000, []),
        ("%" * 10_000, []),
        ("a\0b", []),
        ("\ud800", []),
        ("'; DROP TABLE run_metadata; --", []),
    ],
)
def test_a_search_means_itself(
    host: HostWriter, manager: RunManager, admin: Actor, search: str, found: list[str]
) -> None:
    for name in NAMES:
        host.add_run(name=name)
    page = manager.finding.list_runs(admin, RunFilter(search=search), PageRequest())
    assert sorted(run.title for run in page.items) == sorted(found)


@every_shape
def test_a_search_finds_a_thread_id_in_any_case(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run = host.add_runs(3, name=None)[1]
    for search in (run, run.upper(), run[2:]):
        assert run in ids(manager, admin, RunFilter(search=search))
    assert ids(manager, admin, RunFilter(search=run)) == [run]


@pytest.mark.parametrize("name", ["nobody", "KATE", "", "a\0b", "\ud800", "x" * 10_000, "%"])
def test_a_user_that_is_not_there_has_no_runs(
    host: HostWriter, manager: RunManager, admin: Actor, name: str
) -> None:
    host.add_run(user="kate")
    host.add_run()
    assert ids(manager, admin, RunFilter(username=name)) == []


@every_shape
@pytest.mark.parametrize("name", ["nowhere", "9" * 30, "-1", "", "a\0b", "\ud800", "٣", "{"])
def test_a_workspace_that_is_not_there_has_no_runs(
    host: HostWriter, manager: RunManager, admin: Actor, name: str
) -> None:
    host.add_run(workspace="Ops")
    host.add_run()
    assert ids(manager, admin, RunFilter(workspace=name)) == []


@pytest.mark.parametrize("shape", ["uuid", "integer"], indirect=True)
def test_an_id_in_another_spelling_is_another_id(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(workspace="Ops")
    workspace = host.workspace("Ops")
    assert len(ids(manager, admin, RunFilter(workspace=workspace))) == 1
    for other in (workspace.upper() + " ", "{" + workspace + "}", "00" + workspace):
        assert ids(manager, admin, RunFilter(workspace=other)) == []


def test_two_users_of_one_name_are_filtered_together(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    one = host.add_run(user_id=host.add_user("kate"))
    two = host.add_run(user_id=host.add_user("kate"))
    assert set(ids(manager, admin, RunFilter(username="kate"))) == {one, two}


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


@every_shape
def test_runs_without_a_known_user_or_workspace_can_be_asked_for(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(user="kate", workspace="Ops")
    bare = host.add_run()
    gone = host.add_run(user="tom", workspace="Lab")
    host.execute("DELETE FROM users WHERE username = 'tom'")
    assert set(ids(manager, admin, RunFilter(username=WITHOUT))) == {bare, gone}
    if host.shape.is_minimal:
        gone = bare  # no workspaces: nothing can be gone
    else:
        host.execute("DELETE FROM workspaces WHERE name = 'Lab'")
    assert set(ids(manager, admin, RunFilter(workspace=WITHOUT))) == {bare, gone}


@pytest.mark.parametrize(
    ("time", "year"),
    [
        ("infinity", 9999),
        ("-infinity", 1),
        ("0044-03-15 12:00+00 BC", 1),
        ("20000-01-01 00:00+00", 9999),
        ("9999-12-31 23:59:59.999999+00", 9999),
        ("0001-01-01 00:00+00", 1),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_a_time_that_python_cannot_hold_is_shown_as_the_nearest(
    host: HostWriter, open_manager: OpenManager, admin: Actor, time: str, year: int, zone: str,
    kind: str,
) -> None:  # fmt: skip
    host.execute(f"ALTER DATABASE {host.url.database} SET timezone = '{zone}'")
    host.execute(f"ALTER TABLE run_metadata ALTER created_at TYPE {kind}")
    host.add_run(created_at=time)
    created_at = only(open_manager(), admin).created_at
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


@every_shape
def test_no_text_in_a_filter_is_an_error(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(user="kate", workspace="Ops")

    @given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
    def listing_never_raises(search: str, username: str, workspace: str) -> None:
        manager.finding.list_runs(admin, RunFilter(search, username, workspace), PageRequest())

    listing_never_raises()
