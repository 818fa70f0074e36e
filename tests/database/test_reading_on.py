"""Reading on from a run: nothing is skipped while the list shrinks, and no other place is taken."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runmanager.errors import InvalidRequestError
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest, RowKey
from runmanager.queries.listing.limits import Limits
from runmanager.sorting import NEWEST_FIRST, SORTS, Sort, SortKey
from tests.conftest import every_shape
from tests.hosts import LONG_AGO
from tests.operations import delete

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

OLDEST_FIRST = Sort(SortKey.STARTED, is_descending=False)
PAGE = PageRequest(1, 3)


@every_shape
@pytest.mark.parametrize("limits", [None, Limits(exact_to=2)], ids=["few", "many"])
@pytest.mark.parametrize("sort", [NEWEST_FIRST, OLDEST_FIRST], ids=["newest", "oldest"])
@pytest.mark.parametrize("run_filter", [RunFilter(), RunFilter(status=("failed",))])
def test_who_deletes_page_by_page_skips_no_run(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    limits: Limits | None,
    sort: Sort,
    run_filter: RunFilter,
) -> None:
    for number in range(10):
        # Ties, and runs without a time.
        time = LONG_AGO + timedelta(days=number // 3) if number < 8 else None
        host.add_run(created_at=time, status="failed")
    kept = host.add_run(status="completed")
    manager = open_manager(limits=limits)
    seen: list[str] = []
    after = None
    while True:
        page = manager.finding.list_runs(admin, run_filter, PAGE, sort, after)
        assert page.total == 11 - len(seen) if not run_filter else 10 - len(seen)
        failed = [run.thread_id for run in page.items if run.status == "failed"]
        seen += failed
        delete(manager, admin, failed)
        if not page.has_next:
            break
        after = page.last
    assert len(set(seen)) == len(seen) == 10
    assert not host.is_gone(kept)


@pytest.mark.parametrize("sort", [one for one in SORTS if one.key is not SortKey.STARTED])
def test_a_list_in_another_order_has_no_place_to_read_on_from(
    host: HostWriter, manager: RunManager, admin: Actor, sort: Sort
) -> None:
    host.add_runs(5)
    place = manager.finding.list_runs(admin, RunFilter(), PAGE).last
    with pytest.raises(InvalidRequestError, match="in order of time"):
        manager.finding.list_runs(admin, RunFilter(), PAGE, sort, place)
    assert manager.finding.list_runs(admin, RunFilter(), PAGE, sort).last is None


@pytest.mark.parametrize("shape", ["uuid"], indirect=True)
@pytest.mark.parametrize(
    "place",
    [
        RowKey("2025-01-01 12:00:00+00", "not a uuid"),
        RowKey("2025-01-01 12:00:00+00", None),
        RowKey("yesterday evening", "0a0a0a0a-0000-4000-8000-000000000000"),
        RowKey("2025-13-01", "0a0a0a0a-0000-4000-8000-000000000000"),
        RowKey("a\0b", "0a0a0a0a-0000-4000-8000-000000000000"),
        RowKey("\ud800", "0a0a0a0a-0000-4000-8000-000000000000"),
        RowKey(None, "'; DROP TABLE run_metadata; --"),
    ],
)
def test_what_is_no_place_is_refused(
    host: HostWriter, manager: RunManager, admin: Actor, place: RowKey
) -> None:
    host.add_runs(5)
    with pytest.raises(InvalidRequestError, match="no such place"):
        manager.finding.list_runs(admin, RunFilter(), PAGE, NEWEST_FIRST, place)


@pytest.mark.parametrize("time", ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", None])
def test_any_time_that_is_printed_is_a_place(
    host: HostWriter, manager: RunManager, admin: Actor, time: str | None
) -> None:
    host.add_run("b", created_at=time)
    host.add_run("a", created_at=time)
    (first,) = manager.finding.list_runs(admin, RunFilter(), PageRequest(1, 1)).items
    place = RowKey(time, first.thread_id)
    page = manager.finding.list_runs(admin, RunFilter(), PAGE, NEWEST_FIRST, place)
    assert [run.thread_id for run in page.items] == ["a"]
