"""A search for a whole thread id shows its run at once, and says what else was searched."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runmanager.filters import WITHOUT, RunFilter
from runmanager.paging import Exactness, PageRequest
from runmanager.queries.listing.limits import Limits, SearchBudget
from runmanager.service import finding
from tests.hosts import LONG_AGO
from tests.statements import recorded

if TYPE_CHECKING:
    from runmanager.records import Actor, RunPage
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

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
def test_the_run_of_a_whole_id_is_shown_at_once_and_said_to_be_it(
    host: HostWriter, manager: RunManager, admin: Actor, wanted: str
) -> None:
    add_runs(host, *["Order"] * 40)
    with recorded(manager) as statements:
        page = browse(manager, admin, wanted)
    assert (ids(page), page.is_whole_id) == ([wanted], True)
    # There may be more whose name has it: the total is no more than is known.
    assert (page.total, page.exactness) == (1, Exactness.AT_LEAST)
    assert page.resume is not None
    # The limits, the admin, ten runs, the end of those ten, and the run itself.
    assert len(statements) == 5


def test_another_run_that_has_the_id_in_its_name_is_no_whole_id(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    add_runs(host, "Again: 37", *["Order"] * 39)
    page = browse(manager, admin, "37")
    assert (ids(page), page.is_whole_id) == (["00", "37"], False)


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
def test_searching_on_keeps_the_run_and_finds_the_others(
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
    seen = [ids(page)]
    while page.resume is not None:
        page = manager.finding.search_on(admin, RunFilter(wanted), page)
        seen.append(ids(page))
        # From here on names were searched, as far as the page says.
        assert not page.is_whole_id
        assert page.total == len(page.items)
    assert len(seen) == 5
    assert all(wanted in one for one in seen)
    assert ids(page) == sorted(["25", wanted])
    assert page.exactness is Exactness.EXACT
