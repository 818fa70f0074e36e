"""Listing runs: which of the paths in ``access_paths.py`` reads a page, and why.

- Each condition that an index finds runs by (a user, a workspace, a status, a range of times) is
  counted by itself. The runs of one are 10,000 at the most: **gather** those, and try the others on
  them. They are few: sort them, and know the total as well.
- The first page, or the last, or the one beside a page that was seen: **walk** from there. The
  index has it in order, at any depth; of several statuses, one after the other.
- Any other page number: **jump**, through the index alone, from the nearer end where the total is
  exact.
- Of a user, workspace or status with more runs: a short **search** before gathering them all. Their
  runs are most often among the newest, but may all be old ones.
- A text: **search**. What is rare must not be looked for through all runs while somebody waits.
  With trigram indexes: a little of it, then **gather**: what the newest runs do not have is rare.
- The same from the oldest on: the list read from its end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runmanager.database import stopped_after
from runmanager.errors import DatabaseTooSlowError
from runmanager.paging import Exactness, PageRequest, RowKey, Total
from runmanager.queries.listing.access_paths import (
    SUMMARIES,
    Found,
    Gathering,
    Show,
    gather,
    jump,
    search,
    walk,
    whole_id,
)
from runmanager.queries.listing.conditions import Selection, select_by
from runmanager.queries.listing.order import Direction
from runmanager.queries.listing.places import Place, place_of
from runmanager.queries.listing.summaries import as_summary
from runmanager.queries.listing.totals import Few, Totals
from runmanager.records import RunPage
from runmanager.sorting import NEWEST_FIRST, Sort

if TYPE_CHECKING:
    import sqlalchemy as sa

    from runmanager.filters import RunFilter
    from runmanager.host.values import Reading
    from runmanager.queries.listing.counted import Counted
    from runmanager.queries.listing.limits import Limits, SearchBudget
    from runmanager.records import RunSummary

FORWARD, BACKWARD = Direction.FORWARD, Direction.BACKWARD


@dataclass(frozen=True)
class Order:
    """How a list is read: from the newest on or from the oldest, and ``after`` which place."""

    sort: Sort = NEWEST_FIRST
    after: RowKey | None = None


def list_runs(
    reading: Reading,
    run_filter: RunFilter,
    request: PageRequest,
    limits: Limits,
    order: Order = Order(),
    counted: Counted | None = None,
) -> RunPage:
    """The runs of ``run_filter`` on one page, found in full; a page past the end is empty.

    The total is exact where it can be counted within ``limits.count_seconds``. Raises
    DatabaseTooSlowError where the rows are not found within the time limit of a statement.
    """
    selection = select_by(reading, run_filter)
    return _Listing(selection, request, limits, order, in_full=True, counted=counted).read()


def browse(
    reading: Reading,
    run_filter: RunFilter,
    request: PageRequest,
    earlier: RunPage | None,
    limits: Limits,
    sort: Sort = NEWEST_FIRST,
) -> RunPage:
    """One page, as good as it is found and counted in a moment; the last one past the end.

    ``earlier`` is a page of the same filter that was read before. The page before it, behind it, or
    the same again is read from there, and its total is kept. A search that would take longer stops
    with a page that can be continued: see ``search_on``. Where the text searched for is a run's
    whole id, that run is all there is.
    """
    is_same = earlier is not None and earlier.size == request.size and earlier.sort == sort
    known = earlier if is_same else None
    selection = select_by(reading, run_filter)
    if run_filter.search and (known is None or known.is_whole_id):
        row = whole_id(selection)
        if row is not None:
            return _of_whole_id(selection, row, request, sort)
        known = None
    return _Listing(selection, request, limits, Order(sort), known).read()


def search_on(reading: Reading, run_filter: RunFilter, page: RunPage, limits: Limits) -> RunPage:
    """``page`` with what was found by searching on from where it stopped.

    From the run of a whole id on, the text is searched for from the list's beginning.
    """
    selection = select_by(reading, run_filter)
    return _Listing(selection, page.request, limits, Order(page.sort)).continued(page)


def rows_of(
    selection: Selection, limits: Limits, size: int, *, skip: int = 0, show: Show = SUMMARIES
) -> list[sa.Row[Any]]:
    """``size`` rows of the list, newest first, after the first ``skip``; all that there are.

    Raises DatabaseTooSlowError where they are not found within the time limit of a statement.
    """
    listing = _Listing(selection, PageRequest(1, size), limits, Order(), in_full=True, show=show)
    return listing.rows(Place(FORWARD, size, skip=skip))


def _of_whole_id(
    selection: Selection, row: sa.Row[Any], request: PageRequest, sort: Sort
) -> RunPage:
    return RunPage(
        items=(as_summary(selection.host, row),),
        total=1,
        number=1,
        size=request.size,
        is_whole_id=True,
        sort=sort,
    )


@dataclass(frozen=True)
class _Listing:
    """One page of a list. Its directions are those of the list, not those of time."""

    selection: Selection
    request: PageRequest
    limits: Limits
    order: Order
    earlier: RunPage | None = None
    in_full: bool = False
    counted: Counted | None = None
    show: Show = SUMMARIES
    began: float = field(default_factory=time.monotonic)

    def read(self) -> RunPage:
        """The page that is asked for."""
        if self.order.after is not None:
            place = Place(FORWARD, self.request.size, self.order.after)
            found = self._find(place)
            return self._finished(self.request, place, found, self._totals.in_full())
        few = self._if_few
        if few is not None:
            return self._read_few(few)
        total = None if self.selection.others else self._total_found()
        request = self.request
        if total is not None and total.is_exact:
            request = self._nearest(request, total.count)
        return self._page(request, total)

    def rows(self, place: Place) -> list[sa.Row[Any]]:
        """The rows of one place, whatever their number."""
        few = self._if_few
        found = self._find(place) if few is None else self._gather(place, Gathering(few.driver))
        return found.rows[: place.size]

    def continued(self, page: RunPage) -> RunPage:
        """``page``, searched on from where it stopped."""
        ahead = self._ahead(page)
        kept = page.items[: len(page.items) - len(ahead)]
        direction = BACKWARD if page.is_backward else FORWARD
        place = Place(direction, page.size - len(kept), page.resume, kept=len(kept))
        more = self._finished(page.request, place, self._search(place))
        if page.is_backward:
            items, last = more.items + kept, page.last or more.last
            return replace(more, items=items, last=last, has_next=page.has_next)
        if more.resume is None or self.selection.search in {run.thread_id for run in more.items}:
            ahead = ()
        items = kept + more.items + ahead
        total = max(more.total, len(items))
        first, last = page.first or more.first, more.last or page.last
        return replace(more, items=items, total=total, first=first, last=last)

    def _ahead(self, page: RunPage) -> tuple[RunSummary, ...]:
        """The run found by its whole id, where the search has not come to its place yet."""
        last = None if page.last is None else page.last.thread_id
        is_ahead = page.items and page.items[-1].thread_id == self.selection.search != last
        return page.items[-1:] if is_ahead else ()

    # Few runs

    @cached_property
    def _if_few(self) -> Few | None:
        """What the selected runs are among, where that is few."""
        is_by_text_alone = self.selection.only_found().is_everything and self.selection.others
        if self._is_known_to_be_many or is_by_text_alone:
            return None
        return self._totals.if_few()

    def _read_few(self, few: Few) -> RunPage:
        """The page, where few runs are to be looked at."""
        is_walked = self.selection.is_in_order and not self.in_full and few.total is not None
        if is_walked and few.total is not None:
            return self._page(self.request.within(few.total), Total(few.total))
        request = self.request if few.total is None else self._nearest(self.request, few.total)
        place = Place(FORWARD, request.size, skip=request.offset)
        how = Gathering(few.driver)
        found = self._gather(place, how)
        nearest = self._nearest(request, found.total or 0)
        if nearest != request:
            request, place = nearest, replace(place, skip=nearest.offset)
            found = self._gather(place, how)
        return self._finished(request, place, found)

    def _nearest(self, request: PageRequest, total: int) -> PageRequest:
        return request if self.in_full else request.within(total)

    # Many runs

    @property
    def _is_known_to_be_many(self) -> bool:
        return self.earlier is not None and self.earlier.total > self.limits.exact_to

    @cached_property
    def _totals(self) -> Totals:
        return Totals(self.selection, self.limits, self.began, self.counted)

    def _total_found(self) -> Total:
        """How many runs the indexes find, where those are many."""
        earlier = self.earlier
        if earlier is not None and self._is_known_to_be_many and self.request != earlier.request:
            return earlier.known_total
        return self._totals.in_full() if self.in_full else self._totals.found_estimated()

    def _page(self, request: PageRequest, total: Total | None) -> RunPage:
        place = place_of(request, self.earlier, total)
        found = self._find(place)
        first = PageRequest(1, request.size)
        if found.resume is None and not self.in_full and request != first:
            # Some runs have gone, or come, since the page was numbered.
            if place.direction is FORWARD and not found.rows:
                return self._page(replace(first, from_end=True), total)
            if place.direction is BACKWARD and len(found.rows) < place.size:
                return self._page(first, total)
        return self._finished(request, place, found, total)

    def _find(self, place: Place) -> Found:
        # One row more than is shown tells whether there is a further page.
        size = place.size + 1
        if place.skip:
            gathered = self._gathered_if_moderate(place)
            if gathered is not None:
                return gathered
            return jump(self.selection, self._way(place), place.skip, size)
        if self.selection.is_in_order:
            return walk(self.selection, self._way(place), size, place.after, self.show)
        return self._search(place)

    def _search(self, place: Place) -> Found:
        budget = self.limits.search
        # A common word is among the newest runs. To look there costs no more than a page; what is
        # compared in no time is looked for a little further.
        further = budget.first * (1 if self.selection.others else budget.growth)
        found = self._slices(place, replace(budget, first=further, seconds=0.0))
        if found.resume is None:
            return found
        if self.selection.has_trigram and self.selection.reading.hints.has_trigrams:
            gathered = self._gather(place, Gathering(at_most=self.limits.exact_to))
            if gathered.total is not None:
                return gathered
        moderate = self._gathered_if_moderate(place)
        if moderate is not None:
            return moderate
        if budget.seconds:
            more = self._slices(replace(place, after=found.resume), budget, len(found.rows))
            found = replace(more, rows=found.rows + more.rows)
        if found.resume is not None and (self.in_full or not self.selection.others):
            return self._gather(place)
        return found

    def _slices(self, place: Place, budget: SearchBudget, already: int = 0) -> Found:
        """More of the rows that are wanted, where ``already`` many are found."""
        wanted = place.size + 1 - already
        way = self._way(place)
        return search(self.selection, way, wanted, budget, place.after, self.show)

    def _gathered_if_moderate(self, place: Place) -> Found | None:
        """The rows gathered by one condition that has not too many runs; None where none has."""
        if self.selection.is_in_order and all(one.is_one for one in self.selection.equalities):
            return None
        driver = self._totals.moderate()
        if driver is None:
            return None
        how = Gathering(driver, at_most=self.limits.gather_to)
        if not self.selection.others or self.in_full:
            found = self._gather(place, how)
        else:
            try:
                # What is tried on each of them may take long, as a text in long errors does.
                with stopped_after(self.selection.connection, self.limits.search.seconds):
                    found = self._gather(place, how)
            except DatabaseTooSlowError:
                return None
        return None if found.total is None else found

    def _gather(self, place: Place, how: Gathering = Gathering()) -> Found:  # noqa: B008  frozen
        return gather(
            self.selection,
            self._way(place),
            place.size + 1,
            skip=place.skip,
            after=place.after,
            how=how,
            show=self.show,
        )

    def _way(self, place: Place) -> Direction:
        """The direction of time in which a place of the list is read."""
        if self.order.sort == NEWEST_FIRST:
            return place.direction
        return BACKWARD if place.direction is FORWARD else FORWARD

    # What came of it

    def _finished(
        self, request: PageRequest, place: Place, found: Found, total: Total | None = None
    ) -> RunPage:
        rows, more = found.rows[: place.size], len(found.rows) > place.size
        has_next, has_previous = more, self._has_before(request)
        if place.direction is BACKWARD:
            rows = rows[::-1]
            has_next, has_previous = place.after is not None or place.skip > 0, more
        total = self._total_of(request, place, found, total)
        before = 0 if request.from_end or self.order.after is not None else request.offset
        seen = before + place.kept + len(rows) + has_next
        return RunPage(
            items=tuple(as_summary(self.selection.host, row) for row in rows),
            total=total.count if total.is_exact else max(total.count, seen),
            number=request.number,
            size=request.size,
            exactness=total.exactness,
            from_end=request.from_end,
            has_next=has_next,
            has_previous=has_previous,
            first=_key(rows[0]) if rows else None,
            last=_key(rows[-1]) if rows else None,
            resume=found.resume,
            searched_to=found.searched_to,
            is_backward=place.direction is BACKWARD,
            sort=self.order.sort,
        )

    def _has_before(self, request: PageRequest) -> bool:
        """Whether rows come before the page, as it seems."""
        return request != PageRequest(1, request.size) or self.order.after is not None

    def _total_of(
        self, request: PageRequest, place: Place, found: Found, total: Total | None
    ) -> Total:
        """How many runs there are, as far as it is known; ``total`` is what was known before."""
        if found.total is not None and place.after is None:
            return Total(found.total)
        if total is not None and (total.is_exact or self.order.after is not None):
            return total
        is_at_end = found.resume is None and len(found.rows) <= place.size
        before = request.offset + place.kept
        if is_at_end and place.direction is FORWARD and (found.rows or place.kept or not before):
            return Total(before + len(found.rows))
        if total is not None:
            return total
        if self.in_full:
            return self._totals.in_full()
        if found.resume is not None:
            return Total(0, Exactness.AT_LEAST)
        if self.earlier is not None and self.request != self.earlier.request:
            return self.earlier.known_total
        return self._totals.at_once()


def _key(row: sa.Row[Any]) -> RowKey:
    return RowKey(row.printed_time, row.thread_id)
