"""Listing runs: which of the paths in ``access_paths.py`` reads a page, and why.

- The runs selected by their ids are 10,000 at the most: **gather**. They are few: sort them, and
  know the total as well.
- The first page, or the last, or the one beside a page that was seen: **walk** from there. The
  index has it in order, at any depth.
- Any other page number: **jump**, through the index alone, from the nearer end where the total is
  exact.
- Of a user or workspace with more runs: a short **search** before gathering them all. Their runs
  are most often among the newest, but may all be old ones.
- A text: **search**. What is rare must not be looked for through all runs while somebody waits.
  With trigram indexes: a little of it, then **gather**: what the newest runs do not have is rare.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runmanager.paging import Exactness, PageRequest, RowKey, Total
from runmanager.queries.listing.access_paths import Found, gather, jump, read_one, search, walk
from runmanager.queries.listing.conditions import Selection, select_by
from runmanager.queries.listing.order import Direction
from runmanager.queries.listing.places import Place, place_of
from runmanager.queries.listing.summaries import as_summary
from runmanager.queries.listing.totals import Totals
from runmanager.records import RunPage

if TYPE_CHECKING:
    import sqlalchemy as sa

    from runmanager.filters import RunFilter
    from runmanager.host.values import Reading
    from runmanager.queries.listing.limits import Limits, SearchBudget
    from runmanager.records import RunSummary

FORWARD, BACKWARD = Direction.FORWARD, Direction.BACKWARD


def list_runs(
    reading: Reading, run_filter: RunFilter, request: PageRequest, limits: Limits
) -> RunPage:
    """The runs of ``run_filter`` on one page, found in full; a page past the end is empty.

    The total is exact where it can be counted within ``limits.count_seconds``. Raises
    DatabaseTooSlowError where the rows are not found within the time limit of a statement.
    """
    return _Listing(select_by(reading, run_filter), request, limits, in_full=True).read()


def browse(
    reading: Reading,
    run_filter: RunFilter,
    request: PageRequest,
    earlier: RunPage | None,
    limits: Limits,
) -> RunPage:
    """One page, as good as it is found and counted in a moment; the last one past the end.

    ``earlier`` is a page of the same filter that was read before. The page before it, behind it, or
    the same again is read from there, and its total is kept. A search that would take longer stops
    with a page that can be continued: see ``search_on``.
    """
    known = earlier if earlier is not None and earlier.size == request.size else None
    return _Listing(select_by(reading, run_filter), request, limits, known).read()


def search_on(reading: Reading, run_filter: RunFilter, page: RunPage, limits: Limits) -> RunPage:
    """``page`` with what was found by searching on from where it stopped."""
    return _Listing(select_by(reading, run_filter), page.request, limits).continued(page)


@dataclass(frozen=True)
class _Listing:
    selection: Selection
    request: PageRequest
    limits: Limits
    earlier: RunPage | None = None
    in_full: bool = False
    began: float = field(default_factory=time.monotonic)

    def read(self) -> RunPage:
        """The page that is asked for."""
        few = self._read_if_few()
        if few is not None:
            return few
        total = None if self.selection.others else self._total_by_ids()
        request = self.request
        if total is not None and total.is_exact:
            request = self._nearest(request, total.count)
        return self._page(request, total)

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

    def _read_if_few(self) -> RunPage | None:
        """The page, where the runs that are selected by their ids are few; else None."""
        is_by_text_alone = self.selection.only_equalities().is_everything and self.selection.others
        if self._is_known_to_be_many or is_by_text_alone:
            return None
        count = self._totals.by_ids_if_few()
        if count is None:
            return None
        if self.selection.is_in_order and not self.in_full:
            return self._page(self.request.within(count), Total(count))
        return self._gathered(None if self.selection.others else count)

    def _gathered(self, total: int | None) -> RunPage:
        """The page of a list that is gathered whole; a known total saves a second look."""
        request = self.request if total is None else self._nearest(self.request, total)
        place = Place(FORWARD, request.size, skip=request.offset)
        found = self._gather(place)
        nearest = self._nearest(request, found.total or 0)
        if nearest != request:
            request, place = nearest, replace(place, skip=nearest.offset)
            found = self._gather(place)
        return self._finished(request, place, found)

    def _nearest(self, request: PageRequest, total: int) -> PageRequest:
        return request if self.in_full else request.within(total)

    # Many runs

    @property
    def _is_known_to_be_many(self) -> bool:
        return self.earlier is not None and self.earlier.total > self.limits.exact_to

    @cached_property
    def _totals(self) -> Totals:
        return Totals(self.selection, self.limits, self.began)

    def _total_by_ids(self) -> Total:
        """How many runs are selected by their ids alone, where those are many."""
        earlier = self.earlier
        if earlier is not None and self._is_known_to_be_many and self.request != earlier.request:
            return earlier.known_total
        return self._totals.in_full() if self.in_full else self._totals.by_ids_estimated()

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
            return jump(self.selection, place.direction, place.skip, size)
        if self.selection.is_in_order:
            return walk(self.selection, place.direction, size, place.after)
        return self._search(place)

    def _search(self, place: Place) -> Found:
        budget = self.limits.search
        # A common word is among the newest runs. To look there costs no more than a page.
        found = self._slices(place, replace(budget, seconds=0.0))
        if found.resume is None:
            return found
        by_whole_id = self._by_whole_id(place)
        if by_whole_id is not None:
            # Most likely the one that was meant: it is shown at once.
            return replace(found, by_whole_id=by_whole_id)
        if self.selection.has_trigram and self.selection.reading.hints.has_trigrams:
            gathered = self._gather(place, at_most=self.limits.exact_to)
            if gathered.total is not None:
                return gathered
        if budget.seconds:
            more = self._slices(replace(place, after=found.resume), budget, len(found.rows))
            found = replace(more, rows=found.rows + more.rows)
        if found.resume is not None and (self.in_full or not self.selection.others):
            return self._gather(place)
        return found

    def _slices(self, place: Place, budget: SearchBudget, already: int = 0) -> Found:
        """More of the rows that are wanted, where ``already`` many are found."""
        wanted = place.size + 1 - already
        return search(self.selection, place.direction, wanted, budget, place.after)

    def _gather(self, place: Place, at_most: int | None = None) -> Found:
        return gather(
            self.selection,
            place.direction,
            place.size + 1,
            skip=place.skip,
            after=place.after,
            at_most=at_most,
        )

    # What came of it

    def _finished(
        self, request: PageRequest, place: Place, found: Found, total: Total | None = None
    ) -> RunPage:
        rows, more = found.rows[: place.size], len(found.rows) > place.size
        has_next, has_previous = more, request != PageRequest(1, request.size)
        if place.direction is BACKWARD:
            rows = rows[::-1]
            has_next, has_previous = place.after is not None or place.skip > 0, more
        total = self._total_of(request, place, found, total)
        seen = (0 if request.from_end else request.offset) + place.kept + len(rows) + has_next
        shown = rows
        if found.by_whole_id is not None and found.by_whole_id not in rows:
            shown = [*rows, found.by_whole_id]
        return RunPage(
            items=tuple(as_summary(self.selection.host, row) for row in shown),
            total=total.count if total.is_exact else max(total.count, seen, len(shown)),
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
            is_whole_id=found.by_whole_id is not None and len(shown) == 1,
        )

    def _total_of(
        self, request: PageRequest, place: Place, found: Found, total: Total | None
    ) -> Total:
        """How many runs there are, as far as it is known; ``total`` is what was known before."""
        if found.total is not None and place.after is None:
            return Total(found.total)
        if total is not None and total.is_exact:
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

    def _by_whole_id(self, place: Place) -> sa.Row[Any] | None:
        """The run whose whole thread_id is searched for, on the first page."""
        is_first = self.request == PageRequest(1, self.request.size) and place.after is None
        if self.in_full or not self.selection.search or not is_first:
            return None
        return read_one(self.selection)


def _key(row: sa.Row[Any]) -> RowKey:
    return RowKey(row.printed_time, row.thread_id)
