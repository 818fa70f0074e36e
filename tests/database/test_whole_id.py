"""A search for a whole thread id shows its run at once, and says what else was searched."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runmanager.filters import WITHOUT, RunFilter
from runmanager.paging import Exactness, PageRequest
from runmanager.queries.listing.limits import Limits, SearchBudget
from runmanager.service import finding
from runmanager.sorting import NEWEST_FIRST, Sort, SortKey
from tests.hosts import LONG_AGO
from tests.statements import recorded

if TYPE_CHECKING:
    from runmanager.records import Actor, RunPage
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

OLDEST_FIRST = Sort(SortKey.STARTED, is_descending=False)
# A search looks at ten runs at a time, and stops after each ten.
FEW = Limits(exact_to=3, count_seconds=5, search=SearchBudget(first=10, growth=1, seconds=0))


@pytest.fixture
def manager(open_manager: OpenManager) -> RunManager:
    return open_manager(limits=FEW)


def add_runs(host: HostWriter, *names: str) -> list[str]:
    """Runs that are a minute apart, the newest first, whose ids are their places."""
    runs = [f"{number:02}" for number in range(len(names))]
    for number, name in enumerate(names):
        host.add_run(runs[number], name=name, created_at=LONG_AGO - timedelta(minutes=number))
    return runs


def browse(manager: RunManager, admin: Actor, search: str, size: int = 50) -> RunPage:
    return manager.finding.browse(admin, RunFilter(search), PageRequest(1, size))


def ids(page: RunPage) -> list[str]:
    return [run.thread_id for run in page.items]


@pytest.mark.parametrize("wanted", ["03", "37"], ids=["among the newest", "far back"])
def test_the_run_of_a_whole_id_is_all_there_is_and_is_said_to_be_it(
    host: HostWriter, manager: RunManager, admin: Actor, wanted: str
) -> None:
    # Others have that text in their names: they are not what is meant.
    add_runs(host, f"Again: {wanted}", *["Order"] * 38, f"And again: {wanted}")
    with recorded(manager) as statements:
        page = browse(manager, admin, wanted)
    assert (ids(page), page.is_whole_id) == ([wanted], True)
    assert (page.total, page.exactness) == (1, Exactness.EXACT)
    assert (page.resume, page.has_next, page.has_previous) == (None, False, False)
    # The limits, the admin, whether there is such an id, and the run itself.
    assert len(statements) == 4


def test_it_is_so_on_whatever_page_and_in_whatever_order_by_time(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    add_runs(host, *["Order"] * 40)
    for request in (PageRequest(7, 3), PageRequest(1, 3, from_end=True)):
        for sort in (NEWEST_FIRST, OLDEST_FIRST):
            page = manager.finding.browse(admin, RunFilter("03"), request, sort=sort)
            assert (ids(page), page.is_whole_id, page.number) == (["03"], True, 1)


@pytest.mark.parametrize("shape", ["uuid"], indirect=True)
def test_a_uuid_is_looked_up_as_one(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    runs = [host.add_run(created_at=LONG_AGO - timedelta(minutes=n)) for n in range(40)]
    page = browse(manager, admin, runs[37])
    assert (ids(page), page.is_whole_id) == ([runs[37]], True)
    part = browse(manager, admin, runs[37][:30])
    assert not part.is_whole_id


def test_no_other_search_is_one_for_a_whole_id(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    add_runs(host, *["Order"] * 5, "Rare", *["Order"] * 34)
    for search in ("rare", "nothing", "order", ""):
        assert not browse(manager, admin, search).is_whole_id
    # In full, as the API lists it, the names are searched too.
    page = manager.finding.list_runs(admin, RunFilter("37"), PageRequest())
    assert (ids(page), page.is_whole_id, page.exactness) == (["37"], False, Exactness.EXACT)


def test_a_whole_id_that_the_other_filters_leave_out_is_not_shown(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    add_runs(host, *["Order"] * 40)
    page = manager.finding.browse(admin, RunFilter("37", workspace=WITHOUT), PageRequest())
    assert (ids(page), page.is_whole_id) == (["37"], True)
    page = manager.finding.browse(admin, RunFilter("37", username="nobody"), PageRequest())
    assert (ids(page), page.is_whole_id) == ([], False)


@pytest.mark.parametrize("wanted", ["03", "37"], ids=["among the newest", "far back"])
def test_searching_on_finds_the_others_from_the_newest_on(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    wanted: str,
) -> None:
    monkeypatch.setattr(finding, "SEARCH_ON_SLICE", 10)
    monkeypatch.setattr(finding, "SEARCH_ON_SECONDS", 0.0)
    names = ["Order"] * 40
    names[25] = f"Again: {wanted}"
    add_runs(host, *names)
    page = browse(manager, admin, wanted)
    assert page.is_whole_id
    searched = 0
    while page.is_whole_id or page.resume is not None:
        page = manager.finding.search_on(admin, RunFilter(wanted), page)
        searched += 1
        # The run that is known stays in view, and the total is no more than is known.
        assert wanted in ids(page)
        assert not page.is_whole_id
        assert page.total == len(page.items)
    assert searched == 5
    assert ids(page) == sorted(["25", wanted])
    assert page.exactness is Exactness.EXACT
    # Who reads it again, or turns a page, goes on with what was searched for.
    again = manager.finding.browse(admin, RunFilter(wanted), page.request, page)
    assert not again.is_whole_id


def test_what_was_searched_on_is_turned_like_any_list(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    add_runs(host, *["Again: 07"] * 40)
    manager = open_manager(limits=Limits(exact_to=3, count_seconds=5))
    first = manager.finding.browse(admin, RunFilter("07"), PageRequest(1, 15))
    assert first.is_whole_id
    page = manager.finding.search_on(admin, RunFilter("07"), first)
    found = ids(page)
    while page.has_next:
        page = manager.finding.browse(admin, RunFilter("07"), page.request.turned(1), page)
        found += ids(page)
    assert found == [f"{number:02}" for number in range(40)]
