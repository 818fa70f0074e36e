"""The order of runs is total: newest first, no time last, then by id; pages tile it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.queries.listing.limits import Limits
from tests.conftest import every_shape
from tests.hosts import LONG_AGO

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

ALL = RunFilter()
# So few are many: pages are read from place to place.
MANY = Limits(exact_to=3, count_seconds=5)


def ids(manager: RunManager, admin: Actor, run_filter: RunFilter = ALL) -> list[str]:
    page = manager.finding.list_runs(admin, run_filter, PageRequest(1, 200))
    assert page.total == len(page.items)
    return [run.thread_id for run in page.items]


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


def turned(manager: RunManager, admin: Actor, size: int) -> list[str]:
    """The ids on all pages, each read from the place where the one before it ended."""
    page = manager.finding.browse(admin, ALL, PageRequest(1, size))
    found = [run.thread_id for run in page.items]
    while page.has_next:
        page = manager.finding.browse(admin, ALL, page.request.turned(1), page)
        found += [run.thread_id for run in page.items]
    return found


@pytest.mark.parametrize("limits", [None, MANY], ids=["few", "many"])
def test_numbers_break_ties_as_numbers(
    host: HostWriter, open_manager: OpenManager, admin: Actor, limits: Limits | None
) -> None:
    host.execute("ALTER TABLE run_metadata ALTER thread_id TYPE bigint USING NULL")
    for thread_id in ("9", "100", "-1", "10", "2"):
        host.add_run(thread_id)
    manager = open_manager(limits=limits)
    assert ids(manager, admin) == ["100", "10", "9", "2", "-1"]
    assert turned(manager, admin, 2) == ["100", "10", "9", "2", "-1"]


TIMES = {
    "forever": "infinity",
    "late": "2025-01-01 12:00:00.000002+00",
    "later than early": "2025-01-01 12:00:00.000001+00",
    "early": "2025-01-01 12:00:00+00",
    "ancient": "0044-03-15 12:00+00 BC",
    "never": "-infinity",
    "unknown": None,
    "not known": None,
}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_pages_tile_times_of_any_kind_to_the_microsecond(
    host: HostWriter, open_manager: OpenManager, admin: Actor, zone: str, kind: str
) -> None:
    """A place in the list is a time as PostgreSQL prints it, not as Python has it."""
    host.execute(f"ALTER DATABASE {host.url.database} SET timezone = '{zone}'")
    host.execute(f"ALTER TABLE run_metadata ALTER created_at TYPE {kind}")
    for name, time in reversed(TIMES.items()):
        host.add_run(name, created_at=time)
    manager = open_manager(limits=MANY)
    assert ids(manager, admin) == list(TIMES)
    for size in (1, 2, 3):
        assert turned(manager, admin, size) == list(TIMES)


def test_runs_that_arrive_meanwhile_move_no_run_to_the_next_page(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    manager = open_manager(limits=MANY)
    runs = [host.add_run(created_at=LONG_AGO - timedelta(minutes=n)) for n in range(9)]
    page = manager.finding.browse(admin, ALL, PageRequest(1, 3))
    host.add_run("new", created_at=LONG_AGO + timedelta(days=1))
    page = manager.finding.browse(admin, ALL, page.request.turned(1), page)
    assert [run.thread_id for run in page.items] == runs[3:6]
    page = manager.finding.browse(admin, ALL, page.request.turned(-1), page)
    # The first page is always that of the newest.
    assert [run.thread_id for run in page.items] == ["new", *runs[:2]]
