"""Reading on from a run: nothing is skipped while the list shrinks, and no other place is taken."""

from __future__ import annotations

from contextlib import closing
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
from tests.tried import trying

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

OLDEST_FIRST = Sort(SortKey.STARTED, is_descending=False)
PAGE = PageRequest(1, 3)


@every_shape
@pytest.mark.parametrize("limits", [None, Limits(exact_to=2)], ids=["few", "many"])
def test_who_deletes_page_by_page_skips_no_run(
    host: HostWriter, open_manager: OpenManager, admin: Actor, limits: Limits | None
) -> None:
    for sort in (NEWEST_FIRST, OLDEST_FIRST):
        for run_filter in (RunFilter(), RunFilter(status=("failed",))):
            host.execute("DELETE FROM run_metadata")
            with trying((sort, run_filter)), closing(open_manager(limits=limits)) as manager:
                delete_page_by_page(host, manager, sort, run_filter)


def delete_page_by_page(
    host: HostWriter, manager: RunManager, sort: Sort, run_filter: RunFilter
) -> None:
    """Delete what has failed, all that a page has of it, and see that it is everything."""
    admin = host.admin
    for number in range(10):
        # Ties, and runs without a time.
        time = LONG_AGO + timedelta(days=number // 3) if number < 8 else None
        host.add_run(created_at=time, status="failed")
    kept = host.add_run(status="completed")
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


def test_a_list_in_another_order_has_no_place_to_read_on_from(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_runs(5)
    place = manager.finding.list_runs(admin, RunFilter(), PAGE).last
    for sort in (one for one in SORTS if one.key is not SortKey.STARTED):
        with trying(sort):
            with pytest.raises(InvalidRequestError, match="in order of time"):
                manager.finding.list_runs(admin, RunFilter(), PAGE, sort, place)
            assert manager.finding.list_runs(admin, RunFilter(), PAGE, sort).last is None


@pytest.mark.parametrize("shape", ["uuid"], indirect=True)
def test_what_is_no_place_is_refused(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    host.add_runs(5)
    for place in (
        RowKey("2025-01-01 12:00:00+00", "not a uuid"),
        RowKey("2025-01-01 12:00:00+00", None),
        RowKey("yesterday evening", "0a0a0a0a-0000-4000-8000-000000000000"),
        RowKey("2025-13-01", "0a0a0a0a-0000-4000-8000-000000000000"),
        RowKey("a\0b", "0a0a0a0a-0000-4000-8000-000000000000"),
        RowKey("\ud800", "0a0a0a0a-0000-4000-8000-000000000000"),
        RowKey(None, "'; DROP TABLE run_metadata; --"),
    ):
        with trying(place), pytest.raises(InvalidRequestError, match="no such place"):
            manager.finding.list_runs(admin, RunFilter(), PAGE, NEWEST_FIRST, place)


def test_any_time_that_is_printed_is_a_place(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    for time in ("infinity", "-infinity", "0044-03-15 12:00:00+00 BC", None):
        with trying(time):
            host.execute("DELETE FROM run_metadata")
            host.add_run("b", created_at=time)
            host.add_run("a", created_at=time)
            (first,) = manager.finding.list_runs(admin, RunFilter(), PageRequest(1, 1)).items
            place = RowKey(time, first.thread_id)
            page = manager.finding.list_runs(admin, RunFilter(), PAGE, NEWEST_FIRST, place)
            assert [run.thread_id for run in page.items] == ["a"]
