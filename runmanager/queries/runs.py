"""Listing runs: which of the ways in ``ways.py`` reads a page, and why.

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

from runmanager.database import stopped_after
from runmanager.errors import DatabaseTooSlowError
from runmanager.paging import Exactness, PageRequest, RowKey, Total
from runmanager.queries.conditions import Selection, select_by
from runmanager.queries.counts import Guess, count_all, count_up_to, guess
from runmanager.queries.order import Direction
from runmanager.queries.summaries import as_summary
from runmanager.queries.ways import Found, Pace, gather, jump, read_one, search, walk
from runmanager.records import RunPage

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import sqlalchemy as sa

    from runmanager.filters import RunFilter
    from runmanager.host import Host

LEAST_COUNT_SECONDS = 0.03
FORWARD, BACKWARD = Direction.FORWARD, Direction.BACKWARD


@dataclass(frozen=True)
class Limits:
    """How far runs are counted, and for how long they are looked for.

    ``count_seconds`` is when counting must be over, from the beginning of all.
    """

    exact_to: int = 10_000
    count_seconds: float = 0.2
    pace: Pace = field(default_factory=Pace)


def list_runs(
    connection: sa.Connection,
    host: Host,
    run_filter: RunFilter,
    request: PageRequest,
    limits: Limits,
) -> RunPage:
    """The runs of ``run_filter`` on one page, found in full; a page past the end is empty.

    The total is exact where it can be counted within ``limits.count_seconds``. Raises
    DatabaseTooSlowError where the rows are not found within the time limit of a statement.
    """
    selection = select_by(connection, host, run_filter)
    return _Listing(connection, selection, request, limits, in_full=True).read()


def browse(
    connection: sa.Connection,
    host: Host,
    run_filter: RunFilter,
    request: PageRequest,
    near: RunPage | None,
    limits: Limits,
) -> RunPage:
    """One page, as good as it is found and counted in a moment; the last one past the end.

    ``near`` is a page of the same filter that was read before: the one before, behind, or the same
    is read from there, and its total is kept. A search that would take longer stops with a page
    that can be continued: see ``search_on``.
    """
    selection = select_by(connection, host, run_filter)
    known = near if near is not None and near.size == request.size else None
    return _Listing(connection, selection, request, limits, known).read()


def search_on(
    connection: sa.Connection, host: Host, run_filter: RunFilter, page: RunPage, limits: Limits
) -> RunPage:
    """``page`` with what was found by searching on from where it stopped."""
    selection = select_by(connection, host, run_filter)
    return _Listing(connection, selection, page.request, limits).continued(page)


@dataclass(frozen=True)
class _Place:
    """Where a page's rows are: ``size`` of them behind ``after``, or after the first ``skip``.

    ``kept`` more are on the page already.
    """

    direction: Direction
    size: int
    after: RowKey | None = None
    skip: int = 0
    kept: int = 0


@dataclass(frozen=True)
class _Listing:
    connection: sa.Connection
    selection: Selection
    request: PageRequest
    limits: Limits
    near: RunPage | None = None
    in_full: bool = False
    began: float = field(default_factory=time.monotonic)

    def read(self) -> RunPage:
        """The page that is asked for."""
        few = self._few()
        if few is not None:
            return few
        total = None if self.selection.others else self._total()
        request = self.request
        if total is not None and total.is_exact:
            request = self._nearest(request, total.count)
        return self._page(request, total)

    def continued(self, page: RunPage) -> RunPage:
        """``page``, searched on from where it stopped."""
        # A run that was found by its whole id stands where it would not have been found yet.
        kept = tuple(run for run in page.items if run.thread_id != self.selection.search)
        direction = BACKWARD if page.is_backward else FORWARD
        place = _Place(direction, page.size - len(kept), page.resume, kept=len(kept))
        more = self._finished(page.request, place, self._search(place))
        if page.is_backward:
            items, last = more.items + kept, page.last or more.last
            return replace(more, items=items, last=last, has_next=page.has_next)
        return replace(more, items=kept + more.items, first=page.first or more.first)

    # Few runs

    def _few(self) -> RunPage | None:
        """The page, where those that are selected by their ids are few; else None."""
        by_id = self.selection.only_equalities()
        if self._is_known_to_be_many or (by_id.is_everything and self.selection.others):
            return None
        if self._guess.at_least > self.limits.exact_to:
            return None
        try:
            # Half of the time: the rows are still to be found.
            with stopped_after(self.connection, self.limits.count_seconds / 2):
                count = count_up_to(self.connection, by_id, self.limits.exact_to)
        except DatabaseTooSlowError:
            return None
        if count > self.limits.exact_to:
            return None
        if self.selection.is_in_order and not self.in_full:
            return self._page(self.request.within(count), Total(count))
        return self._gathered(None if self.selection.others else count)

    @cached_property
    def _guess(self) -> Guess:
        """How many runs are selected by their ids, as far as that is known at once."""
        return guess(self.connection, self.selection.only_equalities())

    def _gathered(self, total: int | None) -> RunPage:
        """The page of a list that is gathered whole; a known total saves a second look."""
        request = self.request if total is None else self._nearest(self.request, total)
        place = _Place(FORWARD, request.size, skip=request.offset)
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
        return self.near is not None and self.near.total > self.limits.exact_to

    def _total(self) -> Total:
        """How many runs are selected by their ids alone, where those are many."""
        near = self.near
        if near is not None and self._is_known_to_be_many and self.request != near.request:
            return near.counted
        if self.in_full:
            return self._counted_in_full()
        return self._guessed(self._guess)

    def _guessed(self, guessed: Guess) -> Total:
        """The total of more runs than are counted."""
        if guessed.count <= self.limits.exact_to:
            return Total(self.limits.exact_to, Exactness.AT_LEAST)
        return Total(guessed.count, Exactness.ABOUT)

    def _page(self, request: PageRequest, total: Total | None) -> RunPage:
        place = self._place(request, total)
        found = self._find(place)
        first = PageRequest(1, request.size)
        if found.resume is None and not self.in_full and request != first:
            # Some runs have gone, or come, since the page was numbered.
            if place.direction is FORWARD and not found.rows:
                return self._page(replace(first, from_end=True), total)
            if place.direction is BACKWARD and len(found.rows) < place.size:
                return self._page(first, total)
        return self._finished(request, place, found, total)

    def _place(self, request: PageRequest, total: Total | None) -> _Place:
        size, near = request.size, self.near
        if request == PageRequest(1, size):
            return _Place(FORWARD, size)
        if near is not None and near.first is not None and near.last is not None:
            if request == near.request:
                return _Place(FORWARD, size, replace(near.first, is_included=True))
            if request == near.request.turned(1):
                return _Place(FORWARD, size, near.last)
            if request == near.request.turned(-1):
                return _Place(BACKWARD, size, near.first)
        if request.from_end:
            return _Place(BACKWARD, size, skip=request.offset)
        if total is not None and total.is_exact and request.offset > total.count // 2:
            left = max(0, total.count - request.offset)
            return _Place(BACKWARD, min(left, size), skip=max(0, left - size))
        return _Place(FORWARD, size, skip=request.offset)

    def _find(self, place: _Place) -> Found:
        # One row more than is shown tells whether there is a further page.
        size = place.size + 1
        if place.skip:
            return jump(self.connection, self.selection, place.direction, place.skip, size)
        if self.selection.is_in_order:
            return walk(self.connection, self.selection, place.direction, size, place.after)
        return self._search(place)

    def _search(self, place: _Place) -> Found:
        pace = self.limits.pace
        # What is common is among the newest: a glance at them costs no more than a page.
        found = self._slices(place, replace(pace, seconds=0.0))
        if found.resume is None:
            return found
        by_whole_id = self._by_whole_id(place)
        if by_whole_id is not None:
            # Most likely the one that was meant: it is shown at once, and others if they are near.
            return replace(found, by_whole_id=by_whole_id)
        if self.selection.has_trigram and self.selection.host.hints.has_trigrams:
            gathered = self._gather(place, at_most=self.limits.exact_to)
            if gathered.total is not None:
                return gathered
        if pace.seconds:
            more = self._slices(replace(place, after=found.resume), pace, len(found.rows))
            found = replace(more, rows=found.rows + more.rows)
        if found.resume is not None and (self.in_full or not self.selection.others):
            return self._gather(place)
        return found

    def _slices(self, place: _Place, pace: Pace, already: int = 0) -> Found:
        """What is found of the rows that are wanted besides those ``already`` found."""
        wanted = place.size + 1 - already
        return search(self.connection, self.selection, place.direction, wanted, pace, place.after)

    def _gather(self, place: _Place, at_most: int | None = None) -> Found:
        return gather(
            self.connection,
            self.selection,
            place.direction,
            place.size + 1,
            skip=place.skip,
            after=place.after,
            at_most=at_most,
        )

    # What came of it

    def _finished(
        self, request: PageRequest, place: _Place, found: Found, total: Total | None = None
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
            items=tuple(map(as_summary, shown)),
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
        )

    def _total_of(
        self, request: PageRequest, place: _Place, found: Found, total: Total | None
    ) -> Total:
        """How many runs there are, as far as it is known; ``total`` is what was known before."""
        if found.total is not None and place.after is None:
            return Total(found.total)
        if total is not None and total.is_exact:
            return total
        is_at_end = found.resume is None and len(found.rows) <= place.size
        before = request.offset + place.kept
        if is_at_end and place.direction is FORWARD and (found.rows or not before):
            return Total(before + len(found.rows))
        if total is not None:
            return total
        if self.in_full:
            return self._counted_in_full()
        if found.resume is not None:
            return Total(0, Exactness.AT_LEAST)
        if self.near is not None and self.request != self.near.request:
            return self.near.counted
        return self._counted_for_a_moment()

    def _counted_for_a_moment(self) -> Total:
        guessed = guess(self.connection, self.selection)
        if guessed.at_least > self.limits.exact_to:
            return self._guessed(guessed)
        try:
            with self._for_a_moment():
                count = count_up_to(self.connection, self.selection, self.limits.exact_to)
        except DatabaseTooSlowError:
            return Total(0, Exactness.AT_LEAST)
        if count > self.limits.exact_to:
            return Total(self.limits.exact_to, Exactness.AT_LEAST)
        return Total(count)

    def _counted_in_full(self) -> Total:
        try:
            with self._for_a_moment():
                return Total(count_all(self.connection, self.selection))
        except DatabaseTooSlowError:
            return Total(0, Exactness.AT_LEAST)

    def _for_a_moment(self) -> AbstractContextManager[None]:
        """A block whose statement may use what is left of the time to count."""
        left = self.limits.count_seconds - (time.monotonic() - self.began)
        return stopped_after(self.connection, max(left, LEAST_COUNT_SECONDS))

    def _by_whole_id(self, place: _Place) -> sa.Row[Any] | None:
        """The run whose whole thread_id is searched for, on the first page."""
        is_first = self.request == PageRequest(1, self.request.size) and place.after is None
        if self.in_full or not self.selection.search or not is_first:
            return None
        return read_one(self.connection, self.selection)


def _key(row: sa.Row[Any]) -> RowKey:
    return RowKey(row.printed_time, row.thread_id)
