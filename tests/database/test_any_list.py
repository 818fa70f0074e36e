"""Any filter, in any order, on any page, by whatever indexes: the runs that plain Python has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runmanager.errors import TooManyToSortError
from runmanager.paging import Exactness, PageRequest
from runmanager.queries.listing.limits import Limits, SearchBudget
from runmanager.sorting import NEWEST_FIRST, SORTS, Sort, SortKey
from tests.examples import some_of
from tests.random_runs import RUNNING_WORDS, Run, Stored, fill, filters, in_order, is_meant, runs

if TYPE_CHECKING:
    from runmanager.filters import RunFilter
    from runmanager.records import Actor, RunPage
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

# So few are many, and are searched in many slices ...
SMALL = Limits(3, 6, count_seconds=5, search=SearchBudget(first=2, growth=2, seconds=60))
# ... of which each is the last for the moment ...
IMPATIENT = Limits(3, 6, count_seconds=5, search=SearchBudget(first=2, growth=2, seconds=0))
# ... or all of them are gathered.
GATHERED = Limits(3, 1000, count_seconds=5, search=SearchBudget(first=2, growth=2, seconds=60))
every_limit = pytest.mark.parametrize(
    "limits",
    [None, SMALL, IMPATIENT, GATHERED],
    ids=["few", "many", "slices", "gathered"],
)
every_index = pytest.mark.parametrize(
    "indexes",
    [
        [],
        ["(created_at DESC)", "(status)", "(user_id)", "(workspace_id)"],
        ["(status, created_at DESC, thread_id DESC)", "(created_at DESC, status)"],
        ["(status DESC, created_at DESC NULLS LAST)", "(created_at DESC NULLS LAST)"],
    ],
    ids=["none", "single", "in order", "nulls last"],
)
OLDEST_FIRST = Sort(SortKey.STARTED, is_descending=False)
BY_TIME = (NEWEST_FIRST, OLDEST_FIRST)
# What is sorted by needs no other rows than the run's own.
SORTED = [sort for sort in SORTS if sort.key not in {SortKey.STARTED, SortKey.SIZE}]
sizes = st.integers(1, 7)


def opened(
    host: HostWriter, open_manager: OpenManager, limits: Limits | None, indexes: list[str]
) -> RunManager:
    for index in indexes:
        host.execute(f"CREATE INDEX ON run_metadata {index}")
    return open_manager(limits=limits, running_words=RUNNING_WORDS)


def in_host(host: HostWriter, run_filter: RunFilter) -> RunFilter:
    """The filter with the workspace's id in the place of its name."""
    if not isinstance(run_filter.workspace, str):
        return run_filter
    return replace(run_filter, workspace=host.workspace(run_filter.workspace))


def expected(stored: list[Stored], run_filter: RunFilter, sort: Sort) -> list[str]:
    meant = [run for run in stored if is_meant(run, run_filter)]
    return [run.thread_id for run in in_order(meant, sort)]


def ids(page: RunPage) -> list[str]:
    return [run.thread_id for run in page.items]


def is_true(page: RunPage, wanted: list[str]) -> bool:
    """Whether what the page says of the total is so."""
    if page.exactness is Exactness.EXACT:
        return page.total == len(wanted)
    return page.exactness is Exactness.ABOUT or page.total <= len(wanted)


@every_limit
@every_index
def test_any_page_in_full_is_that_of_all_runs_in_order(
    host: HostWriter, open_manager: OpenManager, admin: Actor, limits: Limits | None,
    indexes: list[str],
) -> None:  # fmt: skip
    manager = opened(host, open_manager, limits, indexes)

    @given(made=runs, run_filter=filters, size=sizes, sort=st.sampled_from(BY_TIME))
    @settings(max_examples=some_of(15))
    def compare(made: list[Run], run_filter: RunFilter, size: int, sort: Sort) -> None:
        wanted = expected(fill(host, made), run_filter, sort)
        asked = in_host(host, run_filter)
        after = None
        for number in range(1, len(wanted) // size + 3):
            request = PageRequest(number, size)
            page = manager.finding.list_runs(admin, asked, request, sort)
            assert ids(page) == wanted[(number - 1) * size : number * size]
            assert (page.total, page.exactness) == (len(wanted), Exactness.EXACT)
            assert page.has_next == (number * size < len(wanted))
            if number == 1 or after is not None:
                # The same by the place where the page before it ended.
                on = manager.finding.list_runs(admin, asked, PageRequest(1, size), sort, after)
                assert (ids(on), on.has_next) == (ids(page), page.has_next)
                assert (on.total, on.exactness) == (len(wanted), Exactness.EXACT)
            after = page.last

    compare()


@every_limit
@every_index
def test_turning_pages_tiles_the_list_in_both_directions(
    host: HostWriter, open_manager: OpenManager, admin: Actor, limits: Limits | None,
    indexes: list[str],
) -> None:  # fmt: skip
    manager = opened(host, open_manager, limits, indexes)

    @given(made=runs, run_filter=filters, size=sizes, sort=st.sampled_from(BY_TIME))
    @settings(max_examples=some_of(15))
    def compare(made: list[Run], run_filter: RunFilter, size: int, sort: Sort) -> None:
        wanted = expected(fill(host, made), run_filter, sort)
        asked = in_host(host, run_filter)

        def read(request: PageRequest, near: RunPage | None) -> RunPage:
            page = manager.finding.browse(admin, asked, request, near, sort)
            while page.resume is not None:
                page = manager.finding.search_on(admin, asked, page)
            assert is_true(page, wanted)
            assert page.sort == sort
            return page

        pages = [read(PageRequest(1, size), None)]
        while pages[-1].has_next:
            pages.append(read(pages[-1].request.turned(1), pages[-1]))
        assert [one for page in pages for one in ids(page)] == wanted
        page = pages[-1]
        for before in reversed(pages[:-1]):
            page = read(page.request.turned(-1), page)
            assert ids(page) == ids(before)
            assert ids(read(page.request, page)) == ids(page)
        assert not page.has_previous
        last = read(PageRequest(1, size, from_end=True), None)
        assert not last.has_next
        assert ids(last) == wanted[len(wanted) - len(last.items) :]

    compare()


@every_limit
@every_index
def test_what_is_frozen_are_all_runs_or_the_newest_of_them(
    host: HostWriter, open_manager: OpenManager, admin: Actor, limits: Limits | None,
    indexes: list[str],
) -> None:  # fmt: skip
    manager = opened(host, open_manager, limits, indexes)

    @given(made=runs, run_filter=filters, most=st.integers(1, 12))
    @settings(max_examples=some_of(15))
    def compare(made: list[Run], run_filter: RunFilter, most: int) -> None:
        wanted = expected(fill(host, made), run_filter, NEWEST_FIRST)
        asked = in_host(host, run_filter)
        frozen = manager.finding.freeze(admin, asked, most)
        assert list(frozen.thread_ids) == wanted[:most]
        assert frozen.is_complete == (len(wanted) <= most)
        assert list(manager.finding.freeze(admin, asked).thread_ids) == wanted

    compare()


@pytest.mark.parametrize("limits", [None, GATHERED], ids=["few", "gathered"])
@every_index
def test_a_sorted_list_is_sorted_as_a_whole(
    host: HostWriter, open_manager: OpenManager, admin: Actor, limits: Limits | None,
    indexes: list[str],
) -> None:  # fmt: skip
    manager = opened(host, open_manager, limits, indexes)

    @given(made=runs, run_filter=filters, size=sizes, sort=st.sampled_from(SORTED))
    @settings(max_examples=some_of(20))
    def compare(made: list[Run], run_filter: RunFilter, size: int, sort: Sort) -> None:
        wanted = expected(fill(host, made), run_filter, sort)
        asked = in_host(host, run_filter)
        pages = max(1, -(-len(wanted) // size))
        for number in range(1, pages + 2):
            request, there = PageRequest(number, size), min(number, pages)
            full = manager.finding.list_runs(admin, asked, request, sort)
            assert ids(full) == wanted[(number - 1) * size : number * size]
            page = manager.finding.browse(admin, asked, request, None, sort)
            assert ids(page) == wanted[(there - 1) * size : there * size]
            assert (page.number, page.sort) == (there, sort)
            assert (page.has_previous, page.has_next) == (there > 1, there < pages)
            for one in (full, page):
                assert (one.total, one.exactness) == (len(wanted), Exactness.EXACT)
        last = manager.finding.browse(admin, asked, PageRequest(1, size, True), None, sort)
        assert ids(last) == wanted[(pages - 1) * size :]

    compare()


@every_index
@pytest.mark.parametrize("key", [SortKey.USER, SortKey.STATUS])
def test_more_runs_than_are_sorted_are_read_user_by_user_and_word_by_word(
    host: HostWriter, open_manager: OpenManager, admin: Actor, indexes: list[str], key: SortKey
) -> None:
    host.execute("CREATE INDEX ON run_metadata (status); CREATE INDEX ON run_metadata (user_id)")
    limits = replace(SMALL, gather_to=12)
    manager = opened(host, open_manager, limits, indexes)

    @given(made=runs, run_filter=filters, size=sizes, down=st.booleans())
    def compare(made: list[Run], run_filter: RunFilter, size: int, down: bool) -> None:
        sort = Sort(key, down)
        wanted = expected(fill(host, made), run_filter, sort)
        asked = in_host(host, run_filter)
        for number in range(1, len(wanted) // size + 2):
            request = PageRequest(number, size)
            if len(wanted) > 12 and number * size + 1 > 12:
                with pytest.raises(TooManyToSortError):
                    manager.finding.list_runs(admin, asked, request, sort)
                continue
            page = manager.finding.list_runs(admin, asked, request, sort)
            assert ids(page) == wanted[(number - 1) * size : number * size]
            assert page.has_next == (number * size < len(wanted))
            assert is_true(page, wanted)

    compare()
